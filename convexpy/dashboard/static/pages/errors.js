/** Errors: failures grouped by where they come from, and one group with its traceback and its failed jobs. */

import { address, go, link, part, setParams } from "../ui/address.js";
import { isWritable, live, mutation } from "../ui/api.js";
import { bars } from "../ui/charts.js";
import { functionName, instant, number, plural, relative, when } from "../ui/format.js";
import { icon, stateIcon } from "../ui/icons.js";
import { shortId } from "../ui/job_parts.js";
import { html, keyed, nothing } from "../ui/render.js";
import { empty, pageHead, shown } from "../ui/states.js";
import { toast, trying } from "../ui/toast.js";
import { traceback } from "../ui/traceback.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { RaisedError } from "../ui/traceback.js" */

/**
 * @typedef {object} Summary
 * @property {string} fingerprint @property {string} function @property {string} exception @property {string | null} place
 * @property {string} message @property {number} times in the time that is shown @property {number} total
 * @property {number} firstTime @property {number} lastTime @property {number[]} trend
 */
/** @typedef {Summary & { trace: RaisedError[], jobId: string | null, replayable: number }} Detail */
/** @typedef {{ id: string, completedTime?: number, state: { error?: string } }} FailedJob */

/** How far back one looks, in minutes. */
const SPANS = [
  { minutes: 60, word: "Last hour", short: "1 h", part: "minute" },
  { minutes: 24 * 60, word: "Last 24 hours", short: "24 h", part: "24 minutes" },
  { minutes: 7 * 24 * 60, word: "Last 7 days", short: "7 d", part: "168 minutes" },
];
const span = () => SPANS.find(({ minutes }) => String(minutes) === address.value.params.get("minutes")) ?? SPANS[0];
/** A page's address with the time that is chosen. @param {string} path */
const within = (path) => link(path, { minutes: span() === SPANS[0] ? null : span().minutes });
const opened = () => (address.value.page === "errors" ? (address.value.parts[0] ?? null) : null);

/** @type {Page} */
export default {
  title: "Errors",
  hasStyle: true,
  open(scope) {
    const groups = live.of(() => (opened() ? null : ["_system/errors:list", { minutes: span().minutes }]));
    const group = live.of(() => opened() && ["_system/errors:get", { fingerprint: opened(), minutes: span().minutes }]);
    const jobs = live.of(() => opened() && ["_system/errors:jobs", { fingerprint: opened() }]);
    const detail = () => /** @type {Detail | null | undefined} */ (group.value?.fingerprint === opened() ? group.value : null);
    scope.keys({
      j: () => moveFocus(1),
      ArrowDown: () => moveFocus(1),
      k: () => moveFocus(-1),
      ArrowUp: () => moveFocus(-1),
      r: () => canReplay(detail()) && void replay(/** @type {Detail} */ (detail())),
      Esc: () => (opened() ? void go("/errors", { minutes: address.value.params.get("minutes") }) : false),
    });
    scope.commands = () => (canReplay(detail()) ? [{ label: "Run the failed jobs again", run: () => replay(/** @type {Detail} */ (detail())), key: "r" }] : []);
    return () => (opened() ? groupPage(group, jobs) : listPage(groups));
  },
};

/** The next or the previous line gets the focus. @param {number} step */
function moveFocus(step) {
  const lines = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main a.error-line")]);
  if (lines.length === 0) return false;
  const at = lines.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  lines[Math.max(0, Math.min(lines.length - 1, at < 0 ? 0 : at + step))].focus();
}

const spans = () => html`
  <div class="seg" role="group" aria-label="Time">
    ${SPANS.map(
      (each) => html`<button type="button" aria-pressed=${each === span()} title=${each.word}
        @click=${() => setParams({ minutes: each === SPANS[0] ? null : each.minutes })}>${each.short}</button>`,
    )}
  </div>`;

// The list ----------------------------------------------------------------------------------------------------------

/** @param {import("../ui/api.js").Live} groups */
const listPage = (groups) => html`
  <div class="page">
    ${pageHead("Errors", { buttons: spans() })}
    ${shown(groups, (/** @type {Summary[]} */ list) => (list.length > 0 ? lines(list) : none()))}
  </div>`;

/** @param {Summary[]} list */
const lines = (list) => html`
  <p class="lead">${summary(list)}</p>
  <div class="error-list">
    <div class="error-heads colh" aria-hidden="true">
      <span>Last seen</span><span>${span().word}</span><span class="num">Times</span><span>Function</span><span>Error</span>
    </div>
    <ul>${keyed(list, (each) => each.fingerprint, (each) => html`<li>${line(each)}</li>`)}</ul>
  </div>`;

/** @param {Summary[]} list */
function summary(list) {
  const times = list.reduce((sum, each) => sum + each.times, 0);
  const since = Date.now() - span().minutes * 60_000;
  const fresh = list.filter((each) => each.firstTime >= since).length;
  const more = list.length >= 200 ? "the latest " : "";
  return `${plural(times, "failure")} of ${more}${plural(list.length, "kind")}${fresh > 0 ? `, ${fresh} of them new` : ""}.`;
}

/** @param {Summary} each */
const line = (each) => html`
  <a class="error-line" href=${within(`/errors/${part(each.fingerprint)}`)}>
    <span class="seen" title=${instant(each.lastTime)}>${relative(each.lastTime)}</span>
    <span class="trend">${bars(each.trend, { label: "Failures" })}</span>
    <span class="times num"><span class="vh">seen </span>${number(each.times)}<span class="vh"> times</span></span>
    <span class="of cut">${functionName(each.function)}</span>
    <span class="what cut"><code class="bad">${each.exception}</code> ${firstLine(each.message)}
      ${each.place ? html`<span class="dim">${each.place}</span>` : nothing}</span>
  </a>`;

/** @param {string} text */
const firstLine = (text) => text.split("\n", 1)[0];

const none = () =>
  empty({
    title: span() === SPANS[0] ? "No failure in the last hour" : `No failure in the ${span().word.toLowerCase()}`,
    text: "Failures of calls and of jobs are grouped here by function, exception and line of code, with how often they occur. The failed jobs of a group can be run again together.",
    code: '@mutation\ndef place(ctx: MutationCtx, item: str) -> None:\n    if not item:\n        raise ConvexError("BAD_REQUEST", "an item is missing")',
    marked: "raise",
    button: span() === SPANS[0] ? html`<button type="button" class="btn" @click=${() => setParams({ minutes: 7 * 24 * 60 })}>Look at 7 days</button>` : nothing,
  });

// One group ---------------------------------------------------------------------------------------------------------

/** @param {import("../ui/api.js").Live} group @param {import("../ui/api.js").Live} jobs */
function groupPage(group, jobs) {
  const isOther = group.value && group.value.fingerprint !== opened();
  if (group.value === null && !group.isLoading) return html`<div class="page">${gone()}</div>`;
  const current = isOther || group.value === null ? { value: undefined, error: group.error } : group;
  return html`<div class="page">${shown(current, (/** @type {Detail} */ detail) => content(detail, jobs))}</div>`;
}

const gone = () =>
  empty({
    title: "There is no such group of errors",
    text: "Groups are kept for 7 days after their last failure.",
    button: html`<a class="btn" href=${within("/errors")}>All errors</a>`,
  });

/** @param {Detail} detail @param {import("../ui/api.js").Live} jobs */
const content = (detail, jobs) => html`
  <div class="head error-head">
    <span class="state failed">${stateIcon("failed")}<span class="vh">Failed</span></span>
    <h1 class="mono cut">${detail.exception}</h1>
    <div class="acts">${spans()}${replayButton(detail)}</div>
  </div>
  <pre class="error-message" tabindex="0">${detail.message}</pre>
  <p class="error-of soft">in ${functionName(detail.function)}${detail.place ? html`<span>, <code>${detail.place}</code></span>` : nothing}</p>
  <div class="error-trend">
    ${bars(detail.trend, { label: "Failures" })}
    <div class="error-axis colh"><span>${relative(Date.now() - span().minutes * 60_000)}</span><span>a bar is ${span().part === "minute" ? "a minute" : span().part}</span><span>now</span></div>
  </div>
  <div class="error-parts">
    <section>
      <div class="sect"><h2>Traceback</h2><span class="dim">of one of the last failures</span></div>
      ${detail.trace.length > 0 ? traceback(detail.trace) : html`<p class="dim">There is none: the process ended.</p>`}
    </section>
    <section>
      <dl class="facts">
        <dt>Seen</dt><dd>${plural(detail.times, "time")}, <span class="dim">${number(detail.total)} in all</span></dd>
        <dt>First</dt><dd>${when(detail.firstTime)}</dd>
        <dt>Last</dt><dd>${when(detail.lastTime)}</dd>
        <dt>Function</dt><dd><a class="link" href=${link(`/functions/${part(detail.function)}`)}>${functionName(detail.function)}</a></dd>
      </dl>
      <div class="block">
        <div class="sect"><h2>Failed jobs</h2><span class="dim">the latest first</span></div>
        ${shown(jobs, jobList, { lines: 3 })}
      </div>
    </section>
  </div>`;

/** @param {FailedJob[]} jobs */
function jobList(jobs) {
  if (jobs.length === 0) return html`<p class="dim">None: direct calls failed, or the jobs are no longer kept.</p>`;
  return html`
    <table class="error-jobs">
      <thead><tr><th>Job</th><th>Failed</th><th>Message</th></tr></thead>
      <tbody>${keyed(jobs, (job) => job.id, (job) => html`
        <tr>
          <td><a class="link mono" href=${link(`/job/${part(job.id)}`)} title=${job.id}>${shortId(job.id)}</a></td>
          <td title=${instant(job.completedTime)}>${relative(job.completedTime)}</td>
          <td>${messageOf(job.state.error ?? "")}</td>
        </tr>`)}</tbody>
    </table>`;
}

/** The message of a job's error, without the class of the exception. @param {string} error */
const messageOf = (error) => firstLine(error).replace(/^\w[\w.]*: /, "");

/** @param {Detail | null | undefined} detail */
const canReplay = (detail) => Boolean(detail && detail.replayable > 0 && isWritable());

/** @param {Detail} detail */
function replayButton(detail) {
  if (!canReplay(detail)) return nothing;
  return html`<button type="button" class="btn primary" @click=${() => replay(detail)}>
    ${icon("retry")}Run ${plural(detail.replayable, "job")} again <kbd>r</kbd></button>`;
}

/** @param {Detail} detail */
async function replay(detail) {
  const begin = () => mutation("_system/errors:replay", { fingerprint: detail.fingerprint });
  const begun = /** @type {{ jobs: number, jobId: string } | undefined} */ (await trying(begin, "The jobs are not run again"));
  if (!begun) return;
  toast({
    text: html`${plural(begun.jobs, "job")} of ${functionName(detail.function)} will be run again as new jobs`,
    state: "pending",
    undo: () => mutation("_system/jobs:cancel", { job_id: begun.jobId }),
  });
}
