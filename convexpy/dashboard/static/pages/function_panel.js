/** One function: its doc, how it does, a form of its arguments, and what came of calls. */

import { address } from "../ui/address.js";
import { action, isWritable, live, query } from "../ui/api.js";
import { ArgumentsForm, valuesOf } from "../ui/arguments.js";
import { bars, sparkline } from "../ui/charts.js";
import { duration, functionName, number, relative } from "../ui/format.js";
import { icon, state } from "../ui/icons.js";
import { jsonLine } from "../ui/json.js";
import { batch, html, nothing, signal } from "../ui/render.js";
import { failed, trying } from "../ui/toast.js";
import { dryOutcome, liveOutcome, plainOutcome } from "./function_outcome.js";

/** @import { FunctionInfo } from "./functions.js" */
/** @typedef {{ name: string, calls: number, errors: number, p50: number | null, p95: number | null, minutes: { minute: number, calls: number, errors: number, p50: number | null, p95: number | null }[] }} History */
/** @typedef {import("./function_outcome.js").Outcome} Outcome */
/** @typedef {{ isDry: boolean, args: Record<string, any>, time: number, outcome: Outcome, subject: string }} Call */

const KEPT_CALLS = 8;

export class FunctionPanel {
  #opened = "";
  #info = signal(/** @type {FunctionInfo | null} */ (null));
  #form = signal(/** @type {ArgumentsForm | null} */ (null));
  #subject = signal("");
  #issuer = signal("");
  #job = signal(/** @type {string | null} */ (null));
  #isBusy = signal(false);
  #isWatching = signal(true);
  #last = signal(/** @type {Call | null} */ (null));
  /** Of this visit, by function: arguments are not kept elsewhere. */
  #calls = signal(/** @type {ReadonlyMap<string, Call[]>} */ (new Map()));
  #subjects = signal(/** @type {readonly string[]} */ ([]));
  #seen = { value: /** @type {any} */ (undefined), time: 0 };
  #history = live.of(() => this.#info.value && ["_system/functions:function_stats", { name: this.#info.value.name }]);
  #watched = live.of(() => {
    const info = this.#info.value;
    const args = info?.kind === "query" && this.#isWatching.value ? this.#form.value?.valid.value : null;
    return info && args && ["_system/functions:watch", { name: info.name, args, ...this.#identity() }];
  });

  /** @param {FunctionInfo} info */
  view(info) {
    const job = address.value.params.get("job");
    const key = JSON.stringify([info.name, job, info.arguments]);
    if (this.#opened !== key) {
      this.#opened = key;
      queueMicrotask(() => void this.#open(info, job));
    }
    const isReady = this.#info.value?.name === info.name;
    const form = this.#form.value;
    return html`
      ${head(info)}
      ${figures(isReady ? this.#history.value : undefined)}
      <div class="work">
        ${isReady && form ? this.#callForm(info, form) : html`<div></div>`}
        <div class="outcome" role="region" aria-label="Outcome" aria-live="polite">${isReady ? this.#outcome(info) : nothing}</div>
      </div>`;
  }

  /** @param {FunctionInfo} info @param {string | null} jobId */
  async #open(info, jobId) {
    const isAnother = this.#info.peek()?.name !== info.name;
    batch(() => {
      this.#info.value = info;
      this.#job.value = null;
      if (isAnother || this.#form.peek()?.info.arguments !== info.arguments) this.#form.value = new ArgumentsForm(info, isAnother ? undefined : this.#form.peek()?.values.peek());
      if (isAnother) this.#last.value = this.#calls.peek().get(info.name)?.[0] ?? null;
    });
    if (jobId === null) return;
    const job = /** @type {any} */ (await trying(() => query("_system/jobs:details", { job_id: jobId }), "The job's arguments cannot be read"));
    if (!job || this.#info.peek()?.name !== info.name) return;
    const form = new ArgumentsForm(info, valuesOf(job.args));
    batch(() => {
      this.#form.value = form;
      this.#job.value = jobId;
    });
    if (info.kind === "mutation" && isWritable() && (await form.check())) await this.#call(true);
  }

  #identity() {
    const subject = this.#subject.value.trim();
    const issuer = this.#issuer.value.trim();
    return subject ? { subject, ...(issuer ? { issuer } : {}) } : {};
  }

  /** What Ctrl Enter does: a mutation runs dry, an action runs. */
  runFirst() {
    const kind = this.#info.peek()?.kind;
    if (!isWritable() || kind === "query" || kind === undefined) return false;
    void this.#call(kind === "mutation");
  }

  /** @param {boolean} isDry */
  async #call(isDry) {
    const [info, form] = [this.#info.peek(), this.#form.peek()];
    if (!info || !form || this.#isBusy.peek()) return;
    this.#isBusy.value = true;
    try {
      if (!(await form.checkAll())) return;
      const args = form.values.peek();
      const job = isDry && this.#job.peek() ? { job_id: this.#job.peek() } : { name: info.name, ...this.#identity() };
      const outcome = await action(`_system/functions:${isDry ? "dry_run" : "run"}`, { ...job, args });
      const call = { isDry, args, time: Date.now(), outcome, subject: this.#subject.peek().trim() };
      batch(() => {
        this.#last.value = call;
        const before = this.#calls.peek().get(info.name) ?? [];
        this.#calls.value = new Map(this.#calls.peek()).set(info.name, [call, ...before].slice(0, KEPT_CALLS));
        if (call.subject) this.#subjects.value = [...new Set([call.subject, ...this.#subjects.peek()])].slice(0, 20);
      });
    } catch (error) {
      failed(error, isDry ? "It was not run dry" : "It was not run");
    } finally {
      this.#isBusy.value = false;
    }
  }

  /** @param {FunctionInfo} info @param {ArgumentsForm} form */
  #callForm(info, form) {
    const job = this.#job.value;
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.runFirst();
    };
    return html`
      <form class="form" @submit=${submit}>
        <div class="sect"><h2>Arguments</h2>${form.choice()}</div>
        ${job ? html`<p class="note">${icon("info")}<span class="cut">Those of job ${job.slice(-8)}</span></p>` : nothing}
        ${form.view()}
        ${job ? nothing : this.#runAs()}
        ${this.#buttons(info)}
        ${this.#earlier(info, form)}
      </form>`;
  }

  #runAs() {
    const put = (/** @type {any} */ event) => (this.#subject.value = event.target.value);
    const issue = (/** @type {any} */ event) => (this.#issuer.value = event.target.value);
    return html`
      <label><span>Run as <code>ctx.identity</code></span>
        <input class="field" list="subjects" autocomplete="off" spellcheck="false" placeholder="nobody, or a user's subject" .value=${this.#subject.value} @change=${put}></label>
      <datalist id="subjects">${this.#subjects.value.map((each) => html`<option value=${each}></option>`)}</datalist>
      ${this.#subject.value.trim() ? html`<label><span>Issuer <code>of the token, optional</code></span><input class="field" autocomplete="off" spellcheck="false" .value=${this.#issuer.value} @change=${issue}></label>` : nothing}`;
  }

  /** @param {FunctionInfo} info */
  #buttons({ kind }) {
    if (kind === "query") {
      const turn = () => (this.#isWatching.value = !this.#isWatching.value);
      return html`
        <div class="row call-row"><button type="button" class="btn" aria-pressed=${this.#isWatching.value} @click=${turn}>${this.#isWatching.value ? html`${icon("pause")}Stop watching` : html`${icon("play")}Watch`}</button></div>
        <p class="hint">A query is live here: it runs again as you type, and whenever a commit changes what it reads.</p>`;
    }
    if (!isWritable()) return html`<p class="hint">A read-only key runs queries only.</p>`;
    const isBusy = this.#isBusy.value;
    const keys = html`<span class="dim push hide-narrow keys" aria-hidden="true"><kbd>Ctrl</kbd><kbd>↵</kbd></span>`;
    const run = (/** @type {string} */ kinds) => html`<button type=${kind === "action" ? "submit" : "button"} class=${`btn ${kinds}`} ?disabled=${isBusy} @click=${kind === "action" ? nothing : () => void this.#call(false)}>${kind === "action" ? icon("play") : nothing}Run</button>`;
    if (kind === "action") return html`<div class="row call-row">${run("primary")}${keys}</div><p class="hint">What an action does outside stays done, so it cannot be run dry.</p>`;
    return html`
      <div class="row call-row"><button class="btn primary" ?disabled=${isBusy}>${icon("play")}Run dry</button>${run("")}${keys}</div>
      <p class="hint">Run dry does everything but COMMIT. Other transactions that write may wait for it.</p>`;
  }

  /** @param {FunctionInfo} info @param {ArgumentsForm} form */
  #earlier(info, form) {
    const calls = this.#calls.value.get(info.name) ?? [];
    if (calls.length === 0) return nothing;
    const again = (/** @type {Call} */ call) => () =>
      batch(() => {
        form.set(call.args);
        this.#last.value = call;
      });
    return html`
      <div class="block earlier">
        <div class="sect"><h2>Earlier runs</h2><span class="dim">of this visit</span></div>
        <ul>${calls.map((call) => html`
          <li><button type="button" class="row" title="These arguments, and this outcome" @click=${again(call)}>
            ${state(call.outcome.error ? "failed" : "success", { isHidden: true })}<span class="cut">${jsonLine(call.args, 60)}</span>
            <span class="dim push nowrap">${call.isDry ? "dry, " : ""}${relative(call.time)}</span></button></li>`)}</ul>
      </div>`;
  }

  /** @param {FunctionInfo} info */
  #outcome(info) {
    if (info.kind === "query") {
      const outcome = /** @type {Outcome | undefined} */ (this.#watched.value);
      if (this.#watched.error) return html`<p class="hint bad">${this.#watched.error.message}</p>`;
      if (!this.#form.value?.valid.value) return html`<p class="hint">The result stands here as soon as the arguments fit.</p>`;
      if (!outcome) return nothing;
      if (this.#seen.value !== outcome) this.#seen = { value: outcome, time: Date.now() };
      return liveOutcome(outcome, { isOn: this.#isWatching.value, time: this.#seen.time, isStale: (this.#form.value?.issues.value.length ?? 0) > 0 });
    }
    const last = this.#last.value;
    if (!last) return html`<p class="hint">${info.kind === "mutation" ? "What a run would write, schedule and return stands here." : "What comes of a call stands here."}</p>`;
    return last.isDry ? dryOutcome(/** @type {any} */ (last.outcome), info, last) : plainOutcome(last.outcome, last.time);
  }
}

/** @param {FunctionInfo} info */
function head({ name, kind, visibility, doc, place, aliases }) {
  const [first, ...others] = (doc ?? "").split(/\n\s*\n/);
  return html`
    <div class="function-head">
      <div><h1>${functionName(name)}</h1>
        ${first ? html`<p class="soft">${first}</p>` : nothing}
        ${others.length > 0 ? html`<details class="more-doc"><summary>More of its doc</summary><pre>${others.join("\n\n")}</pre></details>` : nothing}
        ${aliases.length > 0 ? html`<p class="dim">also called ${aliases.join(", ")}</p>` : nothing}</div>
      <div class="acts"><span class="chip">${kind}, ${visibility}</span><span class="dim mono hide-narrow cut" title=${place}>${place}</span></div>
    </div>`;
}

/** A value in a figure: its number, and its unit small. @param {string} text */
function withUnit(text) {
  const [value, ...unit] = text.split(" ");
  return html`${value}${unit.length > 0 ? html`<small>${unit.join(" ")}</small>` : nothing}`;
}

/** @param {(number | null)[]} values */
function filled(values) {
  let last = 0;
  return values.map((value) => (last = value ?? last));
}

/** @param {History | undefined} history */
function figures(history) {
  const minutes = history?.minutes ?? [];
  const share = history && history.calls > 0 ? (history.errors / history.calls) * 100 : 0;
  const percent = share === 0 ? "0 %" : share < 0.1 ? "<0.1 %" : `${share < 10 ? share.toFixed(1) : Math.round(share)} %`;
  const figure = (/** @type {string} */ word, /** @type {unknown} */ value, /** @type {unknown} */ line) =>
    html`<div class="fig"><dt>${word}</dt><dd>${value}</dd>
      ${history ? html`<dd class="line">${line}</dd>` : nothing}</div>`;
  const ms = (/** @type {number | null | undefined} */ value) => (value === null || value === undefined ? html`<span class="dim">–</span>` : withUnit(duration(value)));
  return html`
    <dl class="figs">
      ${figure("Calls, last hour", history ? number(history.calls) : "–", sparkline(minutes.map(({ calls }) => calls), { label: "Calls a minute" }))}
      ${figure("Errors", history && history.calls > 0 ? withUnit(percent) : html`<span class="dim">–</span>`, bars(minutes.map(({ errors }) => errors), { label: "Errors a minute" }))}
      ${figure("p50", ms(history?.p50), sparkline(filled(minutes.map(({ p50 }) => p50)), { label: "p50", format: duration }))}
      ${figure("p95", ms(history?.p95), sparkline(filled(minutes.map(({ p95 }) => p95)), { label: "p95", format: duration }))}
    </dl>`;
}
