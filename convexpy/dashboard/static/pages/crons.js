/** Crons: when each runs, how its last runs went, and one beside them. */

import { address, go, link, part } from "../ui/address.js";
import { live } from "../ui/api.js";
import { clock, functionName, now, plural, relative } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { html, keyed, nothing } from "../ui/render.js";
import { empty, pageHead, shown } from "../ui/states.js";
import { CronPanel } from "./cron_panel.js";
import { bothClocks, dayWord } from "./cron_times.js";
import { planView } from "./cron_plan.js";
import { runStrip, stripLegend } from "./cron_strip.js";

/** @import { Page } from "../ui/pages.js" */
/** @typedef {{ time: number, until: number, by: string, note: string }} Pause */
/** @typedef {{ name: string, schedule: string, words: string, function: string, args: Record<string, any>, nextTime: number, nextSlots: { time: number, leftOut: boolean }[], nextRun: number | null, pause: Pause | null, lastTime: number | null, lastState: string | null, place: string | null }} Cron */
/** @typedef {{ slotTime: number, jobId: string | null, startedTime: number | null, seconds: number | null, outcome: "success" | "failed" | "canceled" | "skipped", reason: string | null }} Run */
/** @typedef {{ name: string, runs: Run[], isRemoved: boolean }} Strip */

const EXAMPLE = `# shop/crons.py
from convexpy import Crons

from .reports import write_report

crons = Crons()
crons.daily("daily report", write_report, hour=9)`;

/** @type {Page} */
export default {
  title: "Crons",
  hasStyle: true,
  open(scope) {
    const crons = live("_system/crons:list");
    const strips = live("_system/crons:runs");
    const plan = live("_system/crons:plan");
    const panel = new CronPanel();
    const chosen = () => address.value.parts[0];
    const names = () => [...(crons.value ?? []), ...removed(strips.value)].map(({ name }) => name);
    const step = (/** @type {number} */ by) => () => {
      const all = names();
      const at = all.indexOf(chosen() ?? "");
      const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
      if (next !== undefined) go(`/crons/${part(next)}`, {}, { replace: at >= 0 });
    };
    const close = () => (chosen() === undefined ? false : void go("/crons"));
    scope.keys({ j: step(1), k: step(-1), ArrowDown: step(1), ArrowUp: step(-1), Esc: close, r: () => panel.runNow() });
    scope.commands = () =>
      names().map((name) => ({ label: `Open the cron ${name}`, icon: "crons", run: () => go(`/crons/${part(name)}`) }));
    return () => {
      const name = chosen();
      const list = html`<div class="page">${shown(crons, (/** @type {Cron[]} */ found) => content(found, strips.value ?? [], plan.value ?? [], name))}</div>`;
      if (name === undefined) return list;
      const cron = /** @type {Cron[] | undefined} */ (crons.value)?.find((each) => each.name === name);
      return html`<div class="split">${list}${panel.view(name, cron, crons.value !== undefined)}</div>`;
    };
  },
};

/** @param {Strip[] | undefined} strips */
const removed = (strips) => (strips ?? []).filter(({ isRemoved }) => isRemoved);

/** @param {Cron[]} crons @param {Strip[]} strips @param {import("./cron_plan.js").Plan[]} plan @param {string | undefined} chosen */
function content(crons, strips, plan, chosen) {
  const gone = removed(strips);
  if (crons.length === 0 && gone.length === 0) {
    return html`${pageHead("Crons")}${empty({
      title: "No crons yet",
      text: "A cron runs a mutation or an action again and again, once for each slot, however many workers there are. Here you see its next and its last runs, run it now, or pause it.",
      code: EXAMPLE,
      marked: "crons.daily",
    })}`;
  }
  const paused = crons.filter(({ pause }) => pause !== null).length;
  const note = paused > 0 ? `${crons.length}, of which ${paused} paused` : plural(crons.length, "cron");
  const runs = new Map(strips.map((each) => [each.name, each.runs]));
  const file = crons.find(({ place }) => place !== null)?.place?.replace(/:\d+$/, "");
  return html`
    ${pageHead("Crons", { note, buttons: stripLegend() })}
    <div class="cron-heads hide-narrow" aria-hidden="true"><span class="colh">Cron</span><span class="colh">Next run</span><span class="colh">Last 30 runs</span></div>
    <ul class="cron-list">
      ${keyed(crons, ({ name }) => name, (cron) => html`<li>${cronLine(cron, runs.get(cron.name) ?? [], chosen)}</li>`)}
      ${keyed(gone, ({ name }) => name, (strip) => html`<li>${removedLine(strip, chosen)}</li>`)}
    </ul>
    ${plan.length > 0 ? planView(plan, crons, now.peek()) : nothing}
    <p class="lead cron-foot">Crons live in the code${file ? html`, in <code>${file}</code>` : nothing}. A pause is kept in the database, always ends by itself, and outlives a deployment.</p>`;
}

/** @param {Cron} cron @param {Run[]} runs @param {string | undefined} chosen */
const cronLine = (cron, runs, chosen) => html`
  <a class="cron" href=${link(`/crons/${part(cron.name)}`)} aria-current=${cron.name === chosen ? "true" : nothing}>
    <span class="what">
      <span class="name"><span class="cut">${cron.name}</span>${cron.pause ? html`<span class="chip warn">${icon("pause")}Paused</span>` : nothing}
        ${cron.place === null && !cron.pause ? html`<span class="chip" title="The version of the app that serves this page does not declare it; that of another worker does">Another version's</span>` : nothing}</span>
      <span class="sub">${cron.words}</span>
      <span class="sub cut">${functionName(cron.function)}</span>
    </span>
    <span class="next">${nextRun(cron)}</span>
    <span class="last">${runStrip(runs)}</span>
  </a>`;

/** @param {Cron} cron */
function nextRun({ pause, nextRun: time }) {
  if (pause) {
    return html`${time === null ? "–" : dayWord(time)}<small>paused by ${pause.by} until ${clock(pause.until)}${pause.note ? html`<span class="vh">: ${pause.note}</span>` : nothing}</small>`;
  }
  return time === null ? "–" : html`${relative(time)}<small>${bothClocks(time)}</small>`;
}

/** @param {Strip} strip @param {string | undefined} chosen */
function removedLine({ name, runs }, chosen) {
  const last = runs.at(-1);
  return html`
    <a class="cron" href=${link(`/crons/${part(name)}`)} aria-current=${name === chosen ? "true" : nothing}>
      <span class="what"><span class="name"><span class="cut">${name}</span><span class="chip">Not in the code</span></span></span>
      <span class="next">–<small>${last ? `last ran ${relative(last.slotTime)}, before it was removed` : nothing}</small></span>
      <span class="last">${runStrip(runs)}</span>
    </a>`;
}
