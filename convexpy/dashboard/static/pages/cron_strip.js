/** The last 30 runs of a cron, each as tall as it took. */

import { duration, instant } from "../ui/format.js";
import { html, nothing, svg } from "../ui/render.js";

/** @import { Run } from "./crons.js" */

const KEPT = 30;
const HEIGHT = 36;
const [SHORTEST, TALLEST] = [4, 29];
/** @type {Record<string, string>} */
const WORDS = { success: "ran", failed: "failed", canceled: "was canceled", skipped: "was left out" };

/** @param {readonly Run[]} runs the oldest first */
export function runStrip(runs) {
  const longest = runs.reduce((most, { seconds }) => Math.max(most, seconds ?? 0), 0);
  const of = (/** @type {string} */ outcome) => runs.filter((run) => run.outcome === outcome).length;
  const words = runs.length === 0 ? "No runs yet" : `Last ${runs.length} runs: ${of("failed")} failed, ${of("skipped")} skipped`;
  return html`
    <svg class="runs" role="img" aria-label=${words}>
      <line class="base" x1="0" x2="100%" y1="35.5" y2="35.5"/>
      ${runs.map((run, at) => column(run, KEPT - runs.length + at, longest))}
    </svg>`;
}

/** @param {Run} run @param {number} place @param {number} longest in seconds */
function column({ outcome, seconds, slotTime, reason }, place, longest) {
  const x = `${((place * 100) / KEPT).toFixed(2)}%`;
  const took = seconds === null ? "" : ` in ${duration(seconds * 1000)}`;
  const title = svg`<title>${`${instant(slotTime)}: ${WORDS[outcome]}${took}${reason ? `. ${reason}` : ""}`}</title>`;
  if (outcome === "skipped" || outcome === "canceled") {
    return svg`<svg x=${x} y="29" width="8" height="7"><rect class="skip" x="0.5" y="0.5" width="5.5" height="5"/>${title}</svg>`;
  }
  // The square root: beside one long run, those of every day are still of different heights.
  const height = Math.max(SHORTEST, TALLEST * Math.sqrt((seconds ?? 0) / (longest || 1)));
  const top = HEIGHT - 1 - height;
  const isFailed = outcome === "failed";
  return svg`
    <rect class=${isFailed ? "no" : "ok"} x=${x} width="2.1%" y=${top.toFixed(1)} height=${height.toFixed(1)}>${title}</rect>
    ${isFailed ? svg`<svg class="diamond" x=${x} y=${(top - 8).toFixed(1)} width="2.1%" height="7"><path class="no" transform="translate(3.3 3.5)" d="M0-3 3 0 0 3-3 0z"/></svg>` : nothing}`;
}

export const stripLegend = () => html`
  <span class="legend hide-narrow" aria-hidden="true">
    <span><svg class="runs" viewBox="0 0 12 12"><rect class="ok" x="3" y="1" width="6" height="11"/></svg>ran, as tall as it took</span>
    <span><svg class="runs" viewBox="0 0 12 12"><path class="no" d="M6 0l3 3-3 3-3-3z"/><rect class="no" x="3" y="7" width="6" height="5"/></svg>failed</span>
    <span><svg class="runs" viewBox="0 0 12 12"><rect class="skip" x="3.5" y="6.5" width="5" height="5"/></svg>skipped</span>
  </span>`;
