/** One entry of the log: a run with its records, or a record alone. */

import { setParams } from "../ui/address.js";
import { duration, functionName, instant, isUtc, plural } from "../ui/format.js";
import { icon, stateIcon } from "../ui/icons.js";
import { html, nothing } from "../ui/render.js";
import { traceback } from "../ui/traceback.js";

/** @import { Entry, LogLine } from "./log_entries.js" */

const WORDS = /** @type {Record<string, string>} */ ({
  success: "Success", failed: "Failed", canceled: "Canceled", retry: "Will be tried again", lost: "Taken over by another worker",
});
const SHAPES = /** @type {Record<string, string>} */ ({ success: "success", failed: "failed", canceled: "canceled", retry: "conflict", lost: "conflict" });

/** @param {Entry} entry */
export function entryView({ run, records }) {
  if (run) {
    return html`
      <li class=${`log-entry run ${run.outcome}`}>
        ${runLine(run)}
        ${records.length ? html`<ol class="log-records">${records.map((record) => html`<li>${recordLine(record, run)}</li>`)}</ol>` : nothing}
        ${trace(run)}
      </li>`;
  }
  return html`<li class="log-entry">${records.map((record) => html`${recordLine(record, null)}${trace(record)}`)}</li>`;
}

/** @param {LogLine} run */
function runLine(run) {
  const outcome = run.outcome ?? "";
  const isBad = outcome === "failed" && run.level === "ERROR";
  const notes = [
    run.cron ? html`cron ${run.cron}` : nothing,
    (run.attempt ?? 1) > 1 ? html`attempt ${run.attempt}` : nothing,
    run.scheduled ? html`scheduled ${plural(run.scheduled, "job")}` : nothing,
  ].filter((note) => note !== nothing);
  return html`
    <div class="log-line">
      ${clockOf(run)}
      <span class=${`state ${SHAPES[outcome] ?? ""}`} title=${WORDS[outcome] ?? outcome}>${stateIcon(SHAPES[outcome] ?? "pending")}<span class="vh">${WORDS[outcome] ?? outcome}</span></span>
      ${nameOf(run)}
      <span class="log-text">
        <span class="dim">${run.kind}</span>${notes.map((note) => html`<span class="dim">, ${note}</span>`)}
        ${run.text ? html`${" "}<span class=${isBad ? "bad" : outcome === "success" ? "" : "warn"} title=${run.text}>${run.text.split("\n", 1)[0]}</span>` : nothing}
      </span>
      <span class="log-took num">${duration(run.milliseconds)}</span>
      ${callChip(run)}
    </div>`;
}

/** @param {LogLine} record @param {LogLine | null} run below which it stands */
function recordLine(record, run) {
  const isBad = record.level === "ERROR" || record.level === "CRITICAL";
  const kind = isBad ? "bad" : record.level === "WARNING" ? "warn" : "";
  const isOwn = run !== null && record.function === run.function;
  const from = record.function && !isOwn ? functionName(record.function) : nothing;
  return html`
    <div class=${`log-line record ${run ? "" : "alone"}`}>
      ${clockOf(record)}
      <span class=${`log-level ${kind}`} title=${record.level}>${kind ? icon("warning") : html`<i></i>`}<span class="vh">${record.level}</span></span>
      ${run ? nothing : record.function ? nameOf(record) : html`<span class="mono dim cut" title=${record.logger}>${record.logger}</span>`}
      <span class=${`log-text ${kind}`}>${run ? from : nothing}${run && from !== nothing ? " " : ""}${record.text}${extras(record)}</span>
      ${run ? nothing : html`<span class="log-took"></span>${callChip(record)}`}
    </div>
    ${run ? trace(record) : nothing}`;
}

/** @param {LogLine} line */
function extras({ extra, logger }) {
  if (logger === "convexpy.access") return nothing; // its text says all of it
  return Object.entries(extra).map(([name, value]) => html`${" "}<span class="log-extra"><span class="dim">${name}=</span>${value}</span>`);
}

/** @param {LogLine} line */
function nameOf({ function: name }) {
  const only = () => setParams({ function: name });
  return html`<button type="button" class="log-name cut" title=${`Only lines of ${name}`} @click=${only}>${functionName(name)}</button>`;
}

/** The job or the request of a line: pressed, it shows all lines of it. @param {LogLine} line */
function callChip({ job, request }) {
  if (job) return html`<button type="button" class="log-call mono" title=${`Only lines of job ${job}`} @click=${() => setParams({ job, request: null })}>${job.slice(-8)}</button>`;
  if (request) return html`<button type="button" class="log-call mono" title=${`Only lines of request ${request}`} @click=${() => setParams({ request, job: null })}>${request.slice(0, 8)}</button>`;
  return html`<span class="log-call"></span>`;
}

/** @param {LogLine} line */
function trace({ errors }) {
  if (errors.length === 0) return nothing;
  return html`<details class="log-trace"><summary>${icon("right")}Traceback</summary>${traceback(errors)}</details>`;
}

/** @param {LogLine} line */
function clockOf({ time }) {
  const date = new Date(time);
  const [hours, minutes, seconds] = isUtc.value
    ? [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getHours(), date.getMinutes(), date.getSeconds()];
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return html`<time class="mono dim" datetime=${date.toISOString()} title=${instant(time)}>${two(hours)}:${two(minutes)}:${two(seconds)}<span class="hide-narrow">.${String(date.getUTCMilliseconds()).padStart(3, "0")}</span></time>`;
}
