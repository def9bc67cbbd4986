/** The four figures at the top of the page of jobs, each with its last hour. */

import { bars, sparkline } from "../ui/charts.js";
import { duration, number, now } from "../ui/format.js";
import { html, nothing } from "../ui/render.js";

/**
 * @typedef {object} Figures `JobFigures` of `_system/job_lists.py`
 * @property {number | null} oldestDue @property {(number | null)[]} delays @property {number} jobsPerSecond @property {number[]} jobs
 * @property {number | null} p95 @property {(number | null)[]} p95ByMinute @property {number} failed @property {number} ran
 * @property {number[]} failures
 */

/** @param {Figures | undefined} known */
export function figures(known) {
  const lag = known ? (known.oldestDue === null ? 0 : Math.max(0, now.value - known.oldestDue)) : null;
  const p95 = known?.p95 ?? null;
  return html`
    <dl class="figs">
      ${figure("Lag of the oldest due job", timeParts(lag), known && sparkline(filled(known.delays, 1_000), { label: "Lag", format: (ms) => duration(ms) || "0 s" }))}
      ${figure(
        "Jobs a second",
        known ? [rate(known.jobsPerSecond), ""] : null,
        known &&
          sparkline(
            known.jobs.map((each) => each / 60),
            { label: "Jobs a second", format: rate },
          ),
      )}
      ${figure("Duration, p95", known ? (p95 === null ? ["–", ""] : timeParts(p95 * 1_000)) : null, known && sparkline(filled(known.p95ByMinute, 1_000), { label: "Duration, p95", format: (ms) => duration(ms) || "0 s" }))}
      ${figure("Failed in the last hour", known ? [number(known.failed), `of ${number(known.ran)}`] : null, known && bars(known.failures, { label: "Failed" }))}
    </dl>`;
}

/** @param {string} title @param {string[] | null} value and its unit @param {unknown} line */
const figure = (title, value, line) => html`
  <div class="fig"><dt>${title}</dt><dd>${value ? html`${value[0]}<small>${value[1]}</small>` : html`<span class="dim">–</span>`}</dd>
    ${line ? html`<dd class="line">${line}</dd>` : nothing}</div>`;

/** @param {number | null} ms */
function timeParts(ms) {
  if (ms === null) return null;
  const text = ms === 0 ? "0 s" : duration(ms);
  const at = text.lastIndexOf(" ");
  return [text.slice(0, at), text.slice(at + 1)];
}

/** @param {number} value */
const rate = (value) =>
  value >= 99.5 ? number(Math.round(value)) : value.toFixed(value >= 9.95 ? 0 : value > 0 && value < 0.1 ? 2 : 1);

/** A minute without a value is drawn as the one before it. @param {(number | null)[]} values @param {number} times */
function filled(values, times) {
  let last = 0;
  return values.map((value) => (last = value === null ? last : value * times));
}
