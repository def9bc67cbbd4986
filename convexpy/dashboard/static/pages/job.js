/** One job: what became of it, what began it and what came of it, its error, arguments, attempts and log. */

import { address, link, part } from "../ui/address.js";
import { isWritable, live } from "../ui/api.js";
import { valuesOf } from "../ui/arguments.js";
import { clock, duration, functionName, instant, isUtc, now, number, plural, relative } from "../ui/format.js";
import { icon, state, stateIcon, stateWord } from "../ui/icons.js";
import { cancelOne, openReschedule, retryOne, runNow } from "../ui/job_actions.js";
import { firstLine, isOver, plainName, shortId } from "../ui/job_parts.js";
import { jsonView } from "../ui/json.js";
import { openNewJob } from "../ui/new_job.js";
import { html, nothing } from "../ui/render.js";
import { copyButton, problem, waitingLines } from "../ui/states.js";
import { toast } from "../ui/toast.js";
import { traceback } from "../ui/traceback.js";
import { timeLine } from "./job_time_line_view.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { Job } from "../ui/job_parts.js" */
/** @import { RaisedError } from "../ui/traceback.js" */
/** @import { Node } from "./job_time_line.js" */

/**
 * @typedef {object} Details `JobDetails` of `_system/job_details.py`
 * @property {Job} job @property {string} args JSON @property {string | null} error @property {string | null} lastError
 * @property {string | null} exception @property {string | null} message @property {string | null} fingerprint
 * @property {RaisedError[]} trace @property {string | null} worker @property {string | null} retriedAs
 * @property {string | null} retriedState
 */
/** @typedef {{ lines: { number: number, process: string, time: number, level: string, text: string, outcome: string | null }[], hasMore: boolean }} LogLines */

/** @type {Page} */
export default {
  title: "Job",
  hasStyle: true,
  open(scope) {
    const id = () => address.value.parts[0] ?? "";
    const details = live.of(() => ["_system/jobs:details", { job_id: id() }]);
    /** What is known of this job, not of the one before. @returns {Details | null | undefined} */
    const known = () =>
      details.value?.job.id === id() ? details.value : details.isLoading ? undefined : details.value;
    const tree = live.of(() => ["_system/jobs:tree", { job_id: id() }]);
    const log = live.of(() => ["_system/logs:lines", { job: id(), limit: 100 }]);
    const group = live.of(() => {
      const fingerprint = known()?.fingerprint;
      return fingerprint && ["_system/errors:get", { fingerprint, minutes: 60 }];
    });
    scope.keys({
      r: () =>
        isWritable() &&
        act(known(), (job) =>
          isOver(job) ? retryOne(job, { isOpened: true }) : job.state === "pending" && runNow(job),
        ),
      c: { label: "Cancel", run: () => isWritable() && act(known(), (job) => !isOver(job) && cancelOne(job)) },
    });
    scope.commands = () => {
      const found = known();
      if (!found || !isWritable()) return [];
      const edit = { label: "Edit and run…", run: () => openEdit(found), icon: "edit" };
      if (isOver(found.job))
        return [
          { label: "Retry as a new job", run: () => retryOne(found.job, { isOpened: true }), icon: "retry", key: "r" },
          edit,
        ];
      return [{ label: "Cancel this job", run: () => cancelOne(found.job), icon: "x", key: "c" }, edit];
    };
    return () => {
      const found = known();
      if (found === null) return missing(id());
      if (found === undefined)
        return html`<div class="page">${details.error ? problem(details.error, { what: "The job cannot be shown" }) : waitingLines(8)}</div>`;
      const nodes = /** @type {Node[]} */ (
        tree.value?.nodes.some((/** @type {Node} */ node) => node.job.id === found.job.id) ? tree.value.nodes : []
      );
      const own = nodes.find(({ job }) => job.id === found.job.id);
      return html`
        <div class="page">
          ${head(found)}
          ${nodes.length > 0 ? timeLine(nodes, found.job.id, { isCut: tree.value.isCut, isTrue: isSet("scale", "true"), isWhole: isSet("tree", "all") }) : tree.error ? problem(tree.error) : nothing}
          <div class="job-cols">
            <div>${errorPart(found, group.value)}${own ? attempts(own) : nothing}${logPart(log)}</div>
            <div>${argumentsPart(found)}${facts(found)}</div>
          </div>
        </div>`;
    };
  },
};

/** @param {string} name @param {string} value */
const isSet = (name, value) => address.value.params.get(name) === value;

/** @param {Details | null | undefined} found @param {(job: Job) => unknown} run */
function act(found, run) {
  return found ? void run(found.job) : false;
}

/** @param {Details} found */
const openEdit = (found) => openNewJob({ name: found.job.name, args: valuesOf(found.args), isOpened: true });

/** @param {string} id */
const missing = (id) => html`
  <div class="page">
    <h1>There is no job <code>${shortId(id)}</code></h1>
    <p class="lead">It never existed, or it was removed after its retention. <a class="link" href=${link("/schedules")}>All jobs</a></p>
  </div>`;

/** What became of it, in a sentence. @param {Details} found */
function sentence({ job, retriedAs, retriedState, worker }) {
  const took =
    job.startedTime !== null && job.completedTime !== null
      ? job.completedTime - job.startedTime < 1
        ? "less than 1 ms"
        : duration(job.completedTime - job.startedTime)
      : "";
  const word = html`<b class=${`is-${job.state}`}>${stateWord(job.state)}</b>`;
  const again = job.attempts > 1 ? ` It took ${plural(job.attempts, "attempt")}.` : "";
  const retry = retriedAs
    ? html`<a class="link" href=${link(`/job/${retriedAs}`)}>Retried as ${shortId(retriedAs)}</a>: ${stateWord(retriedState ?? "").toLowerCase()}.`
    : nothing;
  const old = job.retryOf
    ? html`A retry of <a class="link" href=${link(`/job/${job.retryOf}`)}>${shortId(job.retryOf)}</a>${job.origin?.actor ? ` by ${job.origin.actor}` : ""}.`
    : nothing;
  if (job.state === "pending") {
    const due = job.nextTry ?? job.scheduledTime;
    const when =
      job.attempts > 0
        ? html`, next try ${relative(due)}`
        : due > now.value
          ? html`, runs ${relative(due)}`
          : html`, due ${relative(due)}`;
    return html`${word}${when}.${worker ? " A worker holds it." : ""}${job.attempts > 0 ? ` ${plural(job.attempts, "attempt")} so far.` : ""} ${old}`;
  }
  if (job.state === "inProgress")
    return html`${word} for ${duration(Math.max(0, now.value - (job.startedTime ?? now.value)))}.${worker ? ` On ${worker}.` : ""} ${old}`;
  if (job.state === "canceled")
    return html`${word} ${relative(job.completedTime)}.${job.error ? ` ${job.error}.` : ""} ${old} ${retry}`;
  const once = job.state === "failed" && job.kind === "action" ? " An action runs at most once." : "";
  return html`${word}${took ? ` after ${took}` : ""}, ${relative(job.completedTime)}.${once}${again} ${old} ${retry}`;
}

/** @param {Details} found */
function head(found) {
  const { job } = found;
  const at = job.name.lastIndexOf(":") + 1;
  const copy = () =>
    void navigator.clipboard
      ?.writeText(location.href)
      .then(() => toast({ text: "The link is copied", state: "success", seconds: 3 }));
  const buttons = () => html`
    ${isOver(job) ? nothing : html`<button type="button" class="btn danger" @click=${() => cancelOne(job)}>Cancel <kbd class="hide-narrow">c</kbd></button>`}
    ${job.state === "pending" ? html`<button type="button" class="btn" @click=${() => openReschedule({ ids: [job.id] }, "1 job")}>Reschedule…</button>` : nothing}
    ${job.kind === "mutation" && job.state === "failed" ? html`<a class="btn" href=${link(`/functions/${part(job.name)}`, { job: job.id })} title="What it would do now, rolled back">Run dry</a>` : nothing}
    <button type="button" class="btn" @click=${() => openEdit(found)}>Edit and run…</button>
    ${
      isOver(job)
        ? html`<button type="button" class="btn primary" @click=${() => retryOne(job, { isOpened: true })}>${icon("retry")}Retry as a new job <kbd class="hide-narrow">r</kbd></button>`
        : job.state === "pending"
          ? html`<button type="button" class="btn primary" @click=${() => runNow(job)}>${icon("play")}Run now <kbd class="hide-narrow">r</kbd></button>`
          : nothing
    }`;
  return html`
    <div class="jobhead">
      <span class=${`big state ${job.state}`}>${stateIcon(job.state)}</span>
      <div><h1><i>${job.name.slice(0, at)}</i>${job.name.slice(at)}</h1><p role="status">${sentence(found)}</p></div>
      <div class="acts"><button type="button" class="btn quiet" @click=${copy}>${icon("link")}Copy link</button>${isWritable() ? buttons() : nothing}</div>
    </div>`;
}

/** @param {Details} found @param {{ times: number } | null | undefined} group */
function errorPart(found, group) {
  const { job, error, lastError, exception, message, fingerprint, trace } = found;
  if (job.state === "pending" && lastError) {
    return html`
      <section class="part">
        <div class="sect"><h2>Last error</h2></div>
        <pre class="raised-alone is-retry" tabindex="0">${lastError}</pre>
      </section>`;
  }
  if (job.state !== "failed" || !error) return nothing;
  const text = trace.length > 0 ? trace.map((each) => each.text).join("\n") : error;
  return html`
    <section class="part">
      <div class="sect"><h2>Error</h2>
        ${group ? html`<span class="chip">${group.times === 1 ? "seen once" : `seen ${number(group.times)} times`} in the last hour</span>` : nothing}
        ${fingerprint ? html`<a class="link" href=${link(`/errors/${part(fingerprint)}`)}>All of this kind</a>` : nothing}
        <span class="push">${copyButton(`${error}\n\n${text}`)}</span></div>
      <div class="err"><b>${exception ?? firstLine(error)}</b><p>${message ?? ""}</p></div>
      ${trace.length > 0 ? html`<div class=${trace.length === 1 ? "one-error" : "errors"}>${traceback(trace)}</div>` : nothing}
    </section>`;
}

/** @param {Node} node */
function attempts({ job, rolledBack }) {
  if (rolledBack.length === 0) return nothing;
  const words = /** @type {Record<string, string>} */ ({ conflict: "Conflict", error: "Failed", lost: "Lost" });
  const why = (/** @type {Node["rolledBack"][number]} */ each) => {
    if (each.outcome !== "conflict") return html`<span class="mono">${firstLine(each.error ?? "")}</span>`;
    return each.lostTo
      ? html`lost to ${functionName(each.lostTo)} ${each.lostOn ? html`on <code>${each.lostOn}</code>` : nothing}`
      : "with another transaction";
  };
  return html`
    <section class="part">
      <div class="sect"><h2>Attempts</h2><span class="dim">${plural(job.attempts, "attempt")}, ${number(rolledBack.length)} rolled back</span></div>
      <table class="attempts"><caption class="vh">Attempts that were rolled back</caption>
        <thead><tr><th class="num">No.</th><th>Outcome</th><th>Began</th><th class="num">Took</th><th>Why</th></tr></thead>
        <tbody>${rolledBack.map(
          (
            each,
          ) => html`<tr><td class="num">${number(each.attempt)}</td><td>${state(each.outcome === "conflict" ? "conflict" : "failed", { word: words[each.outcome] })}</td>
            <td title=${instant(each.startedTime)}>${clock(each.startedTime)}</td><td class="num">${duration(each.seconds * 1_000)}</td><td>${why(each)}</td></tr>`,
        )}</tbody></table>
    </section>`;
}

/** @param {import("../ui/api.js").Live} log */
function logPart(log) {
  const found = /** @type {LogLines | undefined} */ (log.value);
  if (!found)
    return log.error
      ? html`<section class="part">${problem(log.error, { what: "Its log cannot be shown" })}</section>`
      : nothing;
  const tone = (/** @type {string} */ level) =>
    level === "ERROR" || level === "CRITICAL" ? "bad" : level === "WARNING" ? "warn" : "";
  const said = (/** @type {LogLines["lines"][number]} */ line) =>
    line.text || (line.outcome ? stateWord(line.outcome) : "");
  return html`
    <section class="part">
      <div class="sect"><h2>Log of this run</h2><span class="dim">${found.lines.length > 0 ? plural(found.lines.length, "line") : "no lines are kept"}${found.hasMore ? ", the newest" : ""}</span></div>
      ${
        found.lines.length > 0
          ? html`<div class="job-log" tabindex="0" role="log" aria-label="Log of this run">${found.lines.map(
              (line) =>
                html`<p><span class="dim" title=${instant(line.time)}>${precise(line.time)}</span><span class=${tone(line.level)}>${said(line)}</span></p>`,
            )}</div>`
          : nothing
      }
    </section>`;
}

/** 14:30:02.958 @param {number} time */
const precise = (time) => instant(time).split(", ")[1].split(" ")[0];

/** @param {Details} found */
const argumentsPart = ({ args }) => html`
  <section>
    <div class="sect"><h2>Arguments</h2><span class="push">${copyButton(args)}</span></div>
    ${jsonView(valuesOf(args), { label: "Arguments" })}
  </section>`;

/** @param {Details} found */
function facts({ job, worker }) {
  const late = job.startedTime === null ? null : Math.max(0, job.startedTime - job.scheduledTime);
  const ran = job.startedTime !== null && job.completedTime !== null ? job.completedTime - job.startedTime : null;
  const by = () => {
    if (job.cron !== null)
      return html`<span class="dim">cron</span> <a class="link" href=${link(`/crons/${part(job.cron)}`)}>${job.cron}</a>`;
    if (job.parent !== null)
      return html`<a href=${link(`/job/${job.parent}`)}>${plainName(job.parentName ?? "")}</a> <a class="link mono" href=${link(`/job/${job.parent}`)}>${shortId(job.parent)}</a>`;
    if (job.retryOf !== null) return html`${job.origin?.actor ?? "hand"}, <span class="dim">a retry</span>`;
    return job.origin?.function ? plainName(job.origin.function) : html`<span class="dim">not known</span>`;
  };
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) => html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`
    <section class="block">
      <dl class="facts">
        ${fact("Job", html`<code title=${job.id}>${job.id}</code>`)}
        ${fact("Kind", job.kind)}
        ${fact("Scheduled by", by())}
        ${job.request && !job.retryOf ? fact("Request", html`<a class="link mono" href=${link("/logs", { request: job.request })}>${job.request}</a>`) : nothing}
        ${fact("Scheduled for", html`<span title=${instant(job.scheduledTime)}>${precise(job.scheduledTime)} <span class="dim">${clockOfOther(job.scheduledTime)}</span></span>`)}
        ${late === null ? nothing : fact(ran === null ? "Waited" : "Waited, ran", html`${late < 1 ? "on time" : `${duration(late)} late`}${ran === null ? nothing : `, then ${ran < 1 ? "<1 ms" : duration(ran)}`}`)}
        ${fact("Attempts", number(job.attempts))}
        ${worker ? fact("Worker", worker) : nothing}
        ${job.completedTime === null ? nothing : fact("Over", html`<span title=${instant(job.completedTime)}>${precise(job.completedTime)} <span class="dim">${relative(job.completedTime)}</span></span>`)}
      </dl>
    </section>`;
}

/** "UTC, 15:30 here", or "local, 14:30 UTC". @param {number} time */
function clockOfOther(time) {
  const date = new Date(time);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const isHere = date.getTimezoneOffset() === 0;
  if (isUtc.value) return isHere ? "UTC" : `UTC, ${two(date.getHours())}:${two(date.getMinutes())} here`;
  return `here, ${two(date.getUTCHours())}:${two(date.getUTCMinutes())} UTC`;
}
