/** The slots of every cron in the next 24 hours, one under the other. */

import { plural } from "../ui/format.js";
import { html, nothing, svg } from "../ui/render.js";
import { utcClock, utcInstant } from "./cron_times.js";

/** @import { Cron } from "./crons.js" */
/** @typedef {{ name: string, slots: number[], more: boolean }} Plan */

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const LINE = 24;
const HEAD = 20;
const MOST_SHOWN = 20;

/** @param {readonly Plan[]} plan @param {readonly Cron[]} crons @param {number} now */
export function planView(plan, crons, now) {
  const end = now + DAY;
  const untilOf = new Map(crons.map(({ name, pause }) => [name, pause?.until ?? 0]));
  const shown = plan.slice(0, MOST_SHOWN).map((each) => ({
    ...each,
    slots: each.slots.filter((time) => time < end - 10 * 60_000), // a mark at the very edge would stand outside
    until: untilOf.get(each.name) ?? 0,
  }));
  const x = (/** @type {number} */ time) => `${(((Math.min(end, Math.max(now, time)) - now) / DAY) * 100).toFixed(2)}%`;
  const bottom = HEAD + shown.length * LINE;
  const hours = Array.from({ length: 6 }, (_, at) => (Math.ceil(now / (4 * HOUR)) + at) * 4 * HOUR).filter((time) => time < end);
  return html`
    <section class="cron-plan hide-narrow">
      <div class="sect"><h2>The next 24 hours</h2><span class="dim">${summary(shown, now, end)}</span></div>
      <div class="cron-times">
        <ul>${shown.map(({ name }) => html`<li class="cut" title=${name}>${name}</li>`)}</ul>
        <svg role="img" aria-label=${`Slots of every cron in the next 24 hours: ${summary(shown, now, end)}`} style=${{ height: `${bottom + 2}px` }}>
          <defs><pattern id="left-out" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="1.5" height="6"/></pattern></defs>
          ${hours.map((time) => svg`<line x1=${x(time)} x2=${x(time)} y1=${HEAD} y2=${bottom}/><text x=${x(time)} y="12" text-anchor="middle">${utcClock(time)}</text>`)}
          ${shown.map((each, at) => lineOf(each, HEAD + at * LINE, x, now, end))}
          <line x1="0" x2="100%" y1=${bottom} y2=${bottom}/>
        </svg>
      </div>
      ${plan.length > MOST_SHOWN ? html`<p class="hint">${plural(plan.length - MOST_SHOWN, "more cron")}, not shown.</p>` : nothing}
    </section>`;
}

/** @param {Plan & { until: number }} plan @param {number} top @param {(time: number) => string} x @param {number} now @param {number} end */
function lineOf({ slots, more, until }, top, x, now, end) {
  const running = slots.filter((time) => time >= until);
  const share = (/** @type {number} */ from) => `${(((end - Math.max(now, from)) / DAY) * 100).toFixed(2)}%`;
  return svg`
    <line x1="0" x2="100%" y1=${top} y2=${top}/>
    ${until > now ? svg`<rect class="off" fill="url(#left-out)" x="0" width=${x(until)} y=${top + 3} height=${LINE - 6}/><text class="paused" x="8" y=${top + 16}>${`paused until ${utcInstant(until)}`}</text>` : nothing}
    ${more
      ? svg`<rect class="dense" x=${x(Math.max(now, until))} width=${until < end ? share(until) : "0"} y=${top + 8} height=${LINE - 16}/>`
      : running.map((time) => svg`<rect x=${x(time)} width="3" y=${top + 6} height=${LINE - 12}><title>${utcInstant(time)}</title></rect>`)}`;
}

/** "14 runs, never more than 2 in the same minute; the pause leaves out 24". @param {(Plan & { until: number })[]} plan @param {number} now @param {number} end */
function summary(plan, now, end) {
  const minutes = new Map();
  let [runs, leftOut] = [0, 0];
  for (const { slots, until } of plan) {
    for (const time of slots) {
      if (time < until) leftOut++;
      else {
        runs++;
        const minute = Math.floor(time / 60_000);
        minutes.set(minute, (minutes.get(minute) ?? 0) + 1);
      }
    }
  }
  const isMore = plan.some(({ more }) => more);
  const together = Math.max(0, ...minutes.values());
  const paused = plan.filter(({ until }) => until > now).length;
  const said = [isMore ? `more than ${plural(runs, "run")}` : plural(runs, "run")];
  if (together > 1) said.push(`never more than ${together} in the same minute`);
  const left = leftOut > 0 ? `; ${paused > 1 ? "pauses leave" : "the pause leaves"} out ${leftOut}${plan.some(({ more, until }) => more && until > now) ? "+" : ""}` : "";
  return said.join(", ") + left;
}
