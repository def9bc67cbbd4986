/** What cells say of a job: when, how long, how often, by what, and with what. */

import { link, part } from "./address.js";
import { clock, duration, functionName, instant, number, relative, now } from "./format.js";
import { html, nothing } from "./render.js";
import { jsonLine } from "./json.js";

/**
 * @typedef {object} Origin
 * @property {string | null} function @property {string | null} caller
 * @property {string | null} actor @property {number | null} started @property {number} attempt
 */
/** @typedef {"pending" | "inProgress" | "success" | "failed" | "canceled"} State */
/**
 * @typedef {object} Job `ListedJob` of `_system/job_lists.py`
 * @property {string} id @property {string} name @property {string} kind @property {State} state @property {string} args
 * @property {string | null} error @property {string | null} lastError @property {number} scheduledTime
 * @property {number | null} nextTry @property {number | null} startedTime @property {number | null} completedTime
 * @property {number} attempts @property {string | null} cron @property {string | null} parent
 * @property {string | null} parentName @property {string | null} request @property {Origin | null} origin
 * @property {string | null} retryOf
 */

const MOST_MARKS = 5;

/** The first letters of an id, by which one knows it. They are the last ones: the first may be a time. @param {string} id */
export const shortId = (id) => id.slice(-8);

/** @param {Job} job */
export const isOver = ({ state }) => state === "success" || state === "failed" || state === "canceled";

/** When a job is due, began, or was over. @param {Job} job */
export const timeOf = (job) => job.completedTime ?? job.startedTime ?? job.nextTry ?? job.scheduledTime;

/** @param {Job} job */
export function jobWhen(job) {
  const time = timeOf(job);
  const isRetry = job.state === "pending" && job.attempts > 0;
  const isLate = job.state === "pending" && time < now.value - 1_500;
  const word = isLate
    ? html`<span class="warn">due ${relative(time)}</span>`
    : html`${isRetry ? "next try " : ""}${relative(time)}`;
  return html`<span title=${instant(time)}>${word} <span class="dim">${clock(time)}</span></span>`;
}

/** How long a job ran, or has been running. @param {Job} job */
export function ranFor(job) {
  if (job.startedTime === null) return nothing;
  const end = job.completedTime ?? (job.state === "inProgress" ? Math.max(now.value, job.startedTime) : null);
  if (end === null) return nothing;
  return end - job.startedTime < 1 ? "<1 ms" : duration(end - job.startedTime);
}

/** Each attempt as a mark, those that were rolled back in red. @param {Job} job */
export function attemptsOf(job) {
  if (job.attempts === 0) return html`<span class="dim">–</span>`;
  const isAgain = job.state === "pending";
  if (job.attempts === 1 && !isAgain) return html`<span class="soft">1</span>`;
  const failed = isAgain || job.state === "failed" ? job.attempts : job.attempts - 1;
  const marks = Array.from({ length: Math.min(MOST_MARKS, job.attempts) }, (_, at) => (at < failed ? "x" : "r"));
  return html`<span class="tries" aria-hidden="true">${marks.map((kind) => html`<i class=${kind}></i>`)}</span>${number(job.attempts)}`;
}

/** @param {Job} job */
export function scheduledBy(job) {
  if (job.cron !== null)
    return html`<span class="dim">cron</span> <a href=${link(`/crons/${part(job.cron)}`)}>${job.cron}</a>`;
  if (job.retryOf !== null) return html`<span class="dim">retry of</span> <code>${shortId(job.retryOf)}</code>`;
  if (job.parentName !== null) return plainName(job.parentName);
  return job.origin?.function ? plainName(job.origin.function) : html`<span class="dim">–</span>`;
}

/** The module dim, and nothing strong. @param {string} name */
export function plainName(name) {
  const at = name.lastIndexOf(":") + 1;
  return html`<span class="fn" title=${name}><i>${name.slice(0, at)}</i>${name.slice(at)}</span>`;
}

/** The line of an error that says what it is. @param {string} error */
export const firstLine = (error) => error.split("\n", 1)[0];

/** @param {Job} job */
export function argsOrError(job) {
  if (job.state === "failed" && job.error) return html`<span class="mono bad">${firstLine(job.error)}</span>`;
  if (job.state === "pending" && job.lastError) return html`<span class="mono warn">${firstLine(job.lastError)}</span>`;
  if (job.state === "canceled" && job.error) return html`<span class="mono dim">${job.error}</span>`;
  try {
    return jsonLine(JSON.parse(job.args));
  } catch {
    return html`<span class="mono dim">${job.args}…</span>`; // it was cut
  }
}

/** A job in one line, for a toast or a head. @param {Job} job */
export const jobLink = (job) =>
  html`${functionName(job.name)} <a class="link mono" href=${link(`/job/${job.id}`)}>${shortId(job.id)}</a>`;
