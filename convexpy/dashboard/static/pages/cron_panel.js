/** One cron beside the list: run it now, pause and resume it, its next and its last runs. */

import { go, link, part } from "../ui/address.js";
import { isWritable, live, mutation } from "../ui/api.js";
import { clock, duration, number, plural, relative } from "../ui/format.js";
import { icon, state } from "../ui/icons.js";
import { batch, computed, html, nothing, signal } from "../ui/render.js";
import { toast, trying } from "../ui/toast.js";
import { isElsewhere, localClock, localInput, utcClock, utcDay, utcInstant, zoneName } from "./cron_times.js";

/** @import { Cron, Run, Strip } from "./crons.js" */
/** @typedef {{ leftOut: number, more: boolean, nextRun: number | null }} Preview */

const HOUR = 3_600_000;
const SHOWN_RUNS = 10;

/** The times that a pause can have at a press. @type {{ word: string, time: () => number }[]} */
const PRESETS = [
  { word: "1 hour", time: () => Date.now() + HOUR },
  { word: "Tomorrow", time: () => new Date(Date.now() + 24 * HOUR).setHours(8, 0, 0, 0) },
  { word: "1 week", time: () => new Date(Date.now() + 7 * 24 * HOUR).setHours(8, 0, 0, 0) },
];

export class CronPanel {
  #name = signal(/** @type {string | undefined} */ (undefined));
  #cron = /** @type {Cron | undefined} */ (undefined);
  #isPausing = signal(false);
  #preset = signal(1);
  #until = signal(0);
  #note = signal("");
  #isBusy = signal(false);
  #runs = live.of(() => this.#name.value !== undefined && ["_system/crons:runs", { name: this.#name.value }]);
  #preview = live.of(() => this.#isPausing.value && this.#until.value > 0 && ["_system/crons:preview", { name: this.#name.value, until: this.#until.value }]);
  #isFuture = computed(() => this.#until.value > Date.now());

  /** @param {string} name @param {Cron | undefined} cron @param {boolean} isLoaded */
  view(name, cron, isLoaded) {
    if (this.#name.peek() !== name) {
      queueMicrotask(() =>
        batch(() => {
          this.#name.value = name;
          this.#isPausing.value = false;
        }),
      );
    }
    this.#cron = cron;
    const strip = /** @type {Strip[] | undefined} */ (this.#runs.value)?.find((each) => each.name === name);
    return html`
      <aside class="side" aria-label=${name}>
        <header><h2>${name}</h2>${cron?.place ? html`<span class="dim mono push cut" title=${cron.place}>${cron.place}</span>` : html`<span class="push"></span>`}
          <a class="btn quiet icon" href=${link("/crons")} aria-label="Close" title="Close">${icon("x")}</a></header>
        ${cron ? this.#content(cron) : isLoaded ? gone(strip) : nothing}
        ${strip ? lastRuns(name, strip.runs) : nothing}
      </aside>`;
  }

  /** @param {Cron} cron */
  #content(cron) {
    const expression = cron.schedule.startsWith("cron ") ? cron.schedule.slice(5) : "";
    return html`
      <p class="soft">${cron.words}${expression && expression !== cron.words ? html`<code class="dim cron-expression">${expression}</code>` : nothing}</p>
      <div class="row cron-acts">
        ${isWritable() && cron.place !== null ? html`<button type="button" class="btn" ?disabled=${this.#isBusy.value} @click=${() => this.runNow()}>${icon("play")}Run now</button>` : nothing}
        ${isWritable() ? (cron.pause ? this.#resumeButton(cron) : this.#pauseButton()) : nothing}
        <a class="btn quiet" href=${link(`/functions/${part(cron.function)}`)}>Open the function</a>
      </div>
      ${cron.pause ? pauseNote(cron.pause) : nothing}
      ${this.#isPausing.value && isWritable() ? this.#form(cron) : nothing}
      ${nextRuns(cron, this.#isPausing.value && this.#isFuture.value ? this.#until.value : 0)}`;
  }

  #pauseButton() {
    const open = () => {
      this.#isPausing.value = !this.#isPausing.value;
      if (this.#isPausing.value) this.#choose(1);
    };
    return html`<button type="button" class="btn" aria-expanded=${this.#isPausing.value} @click=${open}>${icon("pause")}Pause…</button>`;
  }

  /** @param {Cron} cron */
  #resumeButton({ name, pause }) {
    const resume = async () => {
      const done = await this.#doing(() => mutation("_system/crons:resume", { name }), "It was not resumed");
      if (done === undefined || !pause) return;
      const again = () => mutation("_system/crons:pause", { name, until: pause.until, note: pause.note });
      toast({ text: html`<b>${name}</b> is resumed`, undo: pause.until > Date.now() ? again : undefined });
    };
    return html`<button type="button" class="btn" ?disabled=${this.#isBusy.value} @click=${resume}>${icon("play")}Resume</button>`;
  }

  /** @param {number} preset */
  #choose(preset) {
    batch(() => {
      this.#preset.value = preset;
      if (PRESETS[preset]) this.#until.value = Math.ceil(PRESETS[preset].time() / 60_000) * 60_000;
    });
  }

  /** @param {Cron} cron */
  #form({ name }) {
    const isOwn = this.#preset.value === PRESETS.length;
    const type = (/** @type {any} */ event) => (this.#until.value = event.target.value === "" ? 0 : new Date(event.target.value).getTime());
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const [until, note] = [this.#until.peek(), this.#note.peek().trim()];
      const done = await this.#doing(() => mutation("_system/crons:pause", { name, until, note }), "It was not paused");
      if (!done) return;
      this.#isPausing.value = false;
      this.#note.value = "";
      toast({ text: html`<b>${name}</b> is paused until ${utcInstant(until)}`, undo: () => mutation("_system/crons:resume", { name }) });
    };
    const preset = (/** @type {string} */ word, /** @type {number} */ at) =>
      html`<button type="button" aria-pressed=${this.#preset.value === at} @click=${() => this.#choose(at)}>${word}</button>`;
    return html`
      <form class="form pause-form" @submit=${submit}>
        <div class="lab"><span>Pause until</span>
          <div class="row"><span class="seg" role="group" aria-label="Pause until">${PRESETS.map(({ word }, at) => preset(word, at))}${preset("Other…", PRESETS.length)}</span></div>
          ${isOwn ? html`<input class="field" type="datetime-local" aria-label="Time, of this machine" .value=${this.#until.value > 0 ? localInput(this.#until.value) : ""} @input=${type}>` : nothing}</div>
        <label><span>Note <span class="dim">for whoever finds it paused</span></span>
          <textarea class="field" maxlength="500" .value=${this.#note.value} @input=${(/** @type {any} */ event) => (this.#note.value = event.target.value)}></textarea></label>
        <div class="row"><span class="hint">${this.#consequence()}</span>
          <button class="btn primary push" ?disabled=${!this.#isFuture.value || this.#isBusy.value} title=${this.#isFuture.value ? "" : "The time must lie ahead"}>Pause</button></div>
      </form>`;
  }

  /** "Leaves out 3 runs; the next is on 3 Dec 09:00 UTC." */
  #consequence() {
    if (!this.#isFuture.value) return "The time must lie ahead.";
    const preview = /** @type {Preview | undefined} */ (this.#preview.value);
    if (!preview || this.#preview.isLoading) return this.#preview.error?.message ?? "";
    const { leftOut, more, nextRun } = preview;
    const next = nextRun === null ? "" : ` the next is on ${utcInstant(nextRun)}.`;
    if (leftOut === 0) return `Leaves out no run;${next}`;
    return `Leaves out ${more ? `more than ${plural(leftOut, "run")}` : plural(leftOut, "run")};${next}`;
  }

  async runNow() {
    const cron = this.#cron;
    if (!cron || cron.place === null || !isWritable() || this.#name.peek() !== cron.name) return false;
    const id = await this.#doing(() => mutation("_system/crons:run", { name: cron.name }), "It was not run");
    if (id) toast({ text: html`<b>${cron.name}</b> runs now, as <a class="link" href=${link(`/job/${part(id)}`)} @click=${() => void go(`/job/${part(id)}`)}>this job</a>`, state: "pending" });
  }

  /** @param {() => Promise<any>} work @param {string} what @returns {Promise<any>} undefined: it failed */
  async #doing(work, what) {
    this.#isBusy.value = true;
    const result = await trying(async () => (await work()) ?? true, what);
    this.#isBusy.value = false;
    return result;
  }
}

/** @param {Strip | undefined} strip */
const gone = (strip) => html`<p class="soft">${strip ? "No version of the app that runs declares it any more. Its last runs are kept." : "There is no such cron."}</p>`;

/** @param {NonNullable<Cron["pause"]>} pause */
const pauseNote = ({ until, by, note, time }) => html`
  <div class="advice">${icon("pause")}<p><b>Paused by ${by}</b> ${relative(time)}, until ${utcInstant(until)} (${relative(until)}).${note ? html`<br>${note}` : nothing}</p></div>`;

/** @param {Cron} cron @param {number} until what a pause that is not made yet would leave out */
function nextRuns({ nextSlots }, until) {
  const isHere = isElsewhere();
  const line = (/** @type {{ time: number, leftOut: boolean }} */ { time, leftOut }) => html`
    <tr>
      <td>${utcDay(time)}</td><td>${utcClock(time)}</td>${isHere ? html`<td class="soft">${localClock(time)}</td>` : nothing}
      <td class="num dim">${leftOut || time < until ? "left out" : relative(time)}</td>
    </tr>`;
  return html`
    <div class="sect"><h2>Next five runs</h2></div>
    <table class="cron-slots">
      <thead><tr><th class="day">Day</th><th class="at">UTC</th>${isHere ? html`<th class="at">${zoneName()}</th>` : nothing}<th class="num">From now</th></tr></thead>
      <tbody>${nextSlots.map(line)}</tbody>
    </table>`;
}

/** @param {string} name @param {readonly Run[]} runs the oldest first */
function lastRuns(name, runs) {
  const took = runs.flatMap(({ seconds, outcome }) => (seconds === null || outcome !== "success" ? [] : [seconds])).sort((a, b) => a - b);
  const median = took.length > 0 ? `median ${duration(took[Math.floor(took.length / 2)] * 1000)}` : "";
  return html`
    <div class="sect"><h2>Last runs</h2><span class="dim">${median}</span><a class="link push" href=${link("/schedules", { cron: name })}>All in Schedules</a></div>
    ${runs.length === 0 ? html`<p class="dim">It has not run yet.</p>` : nothing}
    <ul class="cron-runs">${[...runs].reverse().slice(0, SHOWN_RUNS).map(runLine)}</ul>
    ${runs.length > SHOWN_RUNS ? html`<p class="hint">${number(runs.length - SHOWN_RUNS)} more in the strip.</p>` : nothing}`;
}

/** @param {Run} run */
function runLine({ outcome, slotTime, seconds, jobId, reason }) {
  const line = html`
    ${state(outcome)}<span class="soft nowrap">${clock(slotTime)}</span><span class="num nowrap">${seconds === null ? "" : duration(seconds * 1000)}</span>
    <span class=${`num cut ${outcome === "failed" ? "bad" : "dim"}`} title=${reason ?? ""}>${outcome === "failed" ? (reason ?? "").split(":", 1)[0] : (reason ?? "")}</span>`;
  return html`<li>${jobId === null ? html`<span class="run">${line}</span>` : html`<a class="run" href=${link(`/job/${part(jobId)}`)}>${line}</a>`}</li>`;
}
