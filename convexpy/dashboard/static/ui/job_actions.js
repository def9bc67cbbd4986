/** What is done with jobs: at once with one, ten seconds later with many, so that it can be undone. */

import { go, link } from "./address.js";
import { mutation, query } from "./api.js";
import { count, duration, functionName, isUtc, number, now, plural } from "./format.js";
import { shortId } from "./job_parts.js";
import { html, nothing, signal } from "./render.js";
import { openSheet } from "./sheet.js";
import { failed, toast, trying } from "./toast.js";

/** @import { Job } from "./job_parts.js" */
/** @import { Filter } from "../pages/schedules_filter.js" */
/** @typedef {"cancel" | "retry" | "run_now" | "reschedule"} Action */
/** @typedef {{ ids: readonly string[] } | { filter: Filter }} Chosen */

const PORTION = 1_000;
const POLL_MS = 1_000;
/** @type {Record<Action, { doing: string, state: string }>} */
const WORDS = {
  cancel: { doing: "canceled", state: "canceled" },
  retry: { doing: "retried", state: "pending" },
  run_now: { doing: "run", state: "inProgress" },
  reschedule: { doing: "rescheduled", state: "pending" },
};

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Do something with several jobs: in ten seconds, unless it is undone.
 * @param {Action} action @param {Chosen} chosen @param {{ time?: number, of?: string | null }} [options] `of`: their function
 */
export async function actOnMany(action, chosen, { time, of = null } = {}) {
  const named = "ids" in chosen ? { job_ids: [...chosen.ids] } : { filter: chosen.filter };
  await trying(async () => {
    const started = await mutation("_system/jobs:bulk", { action, ...named, ...(time === undefined ? {} : { time }) });
    const jobs = html`${started.more ? `${number(started.count)}+ jobs` : plural(started.count, "job")}${of ? html` of ${functionName(of)}` : nothing}`;
    const isOne = started.count === 1 && !started.more;
    let isUndone = false;
    toast({
      text: html`${jobs} ${isOne ? "is" : "are"} ${WORDS[action].doing} in a moment`,
      state: WORDS[action].state,
      seconds: 10,
      undo: async () => {
        isUndone = true;
        if (!(await mutation("_system/jobs:undo", { job_id: started.jobId }))) throw new Error("it has begun already");
      },
    });
    if (started.count >= PORTION || started.more) void follow(started, action, () => isUndone);
  });
}

/** Say how far a large action is. @param {{ jobId: string, count: number, more: boolean, time: number }} started @param {Action} action @param {() => boolean} isUndone */
async function follow(started, action, isUndone) {
  await pause(10_500);
  let shown = /** @type {ReturnType<typeof toast> | null} */ (null);
  while (!isUndone()) {
    const progress = await query("_system/jobs:bulk_progress", { job_id: started.jobId }).catch(() => null);
    if (!progress || progress.state === "undone") return;
    if (progress.state === "failed")
      return failed(new Error("a portion of it failed"), `Not all jobs were ${WORDS[action].doing}`);
    if (progress.state === "done")
      return void toast({ text: `${count(started)} jobs were ${WORDS[action].doing}`, state: "success" });
    const text = `${number(progress.lookedAt)} of ${count(started)} jobs ${WORDS[action].doing}`;
    if (shown) shown.update(text);
    else shown = toast({ text, state: "inProgress", seconds: 600 });
    await pause(POLL_MS);
  }
}

/** Cancel one job, now. Undone, it is scheduled again for the same time. @param {Job} job */
export const cancelOne = (job) =>
  trying(async () => {
    const canceled = await mutation("_system/jobs:cancel_now", { job_ids: [job.id] });
    if (canceled.length === 0) return void toast({ text: html`${functionName(job.name)} was over already` });
    toast({
      text: html`${functionName(job.name)} canceled`,
      state: "canceled",
      undo: () => mutation("_system/jobs:retry", { job_id: job.id, time: job.scheduledTime }),
    });
  }, "It could not be canceled");

/** Run a finished job's function again, as a new job. @param {Job} job @param {{ isOpened?: boolean }} [options] */
export const retryOne = (job, { isOpened = false } = {}) =>
  trying(async () => {
    const id = await mutation("_system/jobs:retry", { job_id: job.id });
    toast({
      text: html`${functionName(job.name)} retried as <a class="link mono" href=${link(`/job/${id}`)}>${shortId(id)}</a>`,
      state: "pending",
    });
    if (isOpened) go(`/job/${id}`);
  }, "It could not be retried");

/** Let one pending job be due now. @param {Job} job */
export const runNow = (job) =>
  trying(async () => {
    const moved = await mutation("_system/jobs:run_now", { job_ids: [job.id] });
    const text =
      moved.length > 0 ? html`${functionName(job.name)} runs now` : html`${functionName(job.name)} has begun already`;
    toast({ text, state: "inProgress" });
  });

/** Ask for a time, and let jobs be due then. @param {Chosen} chosen @param {string} words such as "3 jobs" */
export function openReschedule(chosen, words) {
  const time = signal(now.peek() + 3_600_000);
  const put = (/** @type {() => void} */ close) => async (/** @type {Event} */ event) => {
    event.preventDefault();
    close();
    if ("ids" in chosen && chosen.ids.length === 1) {
      const [id] = chosen.ids;
      await trying(async () => {
        const moved = await mutation("_system/jobs:reschedule", { job_ids: [id], time: time.peek() });
        toast({
          text: moved.length > 0 ? "The job is due at another time" : "The job has begun already",
          state: "pending",
        });
      });
    } else await actOnMany("reschedule", chosen, { time: time.peek() });
  };
  openSheet(
    (/** @type {() => void} */ close) => html`
      <form class="form" @submit=${put(close)}>
        ${timeField(time)}
        <div class="row"><button class="btn primary">Reschedule ${words}</button><button type="button" class="btn quiet" @click=${close}>Leave it</button></div>
      </form>`,
    { title: `Reschedule ${words}`, kind: "small" },
  );
}

/** A time to choose, with near ones to press. @param {{ value: number }} time */
export function timeField(time) {
  const near = [
    { word: "in 1 min", ms: 60_000 },
    { word: "in 10 min", ms: 600_000 },
    { word: "in 1 h", ms: 3_600_000 },
    { word: "in 1 day", ms: 86_400_000 },
  ];
  const offset = isUtc.value ? 0 : new Date(time.value).getTimezoneOffset() * 60_000;
  const text = new Date(time.value - offset).toISOString().slice(0, 19);
  const read = (/** @type {any} */ event) => {
    const written = Date.parse(`${event.target.value}${isUtc.peek() ? "Z" : ""}`);
    if (Number.isFinite(written)) time.value = written;
  };
  return html`
    <label><span>Time <code>${isUtc.value ? "UTC" : "local"}</code></span>
      <input class="field" type="datetime-local" step="1" .value=${text} @change=${read}></label>
    <div class="row wrap">
      ${near.map(({ word, ms }) => html`<button type="button" class="btn quiet" @click=${() => (time.value = now.peek() + ms)}>${word}</button>`)}
      <span class="hint push">${time.value > now.value ? `in ${duration(time.value - now.value)}` : "at once"}</span>
    </div>`;
}
