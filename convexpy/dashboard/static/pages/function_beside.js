/** A query that is watched beside a mutation or an action, to see what a run of it changes. */

import { live } from "../ui/api.js";
import { ArgumentsForm } from "../ui/arguments.js";
import { functionName, relative } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { batch, html, nothing, signal } from "../ui/render.js";
import { valueView } from "./function_outcome.js";

/** @import { FunctionInfo } from "./functions.js" */
/** @typedef {import("./function_outcome.js").Outcome} Outcome */

export class BesidePanel {
  #form = signal(/** @type {ArgumentsForm | null} */ (null));
  #seen = { value: /** @type {any} */ (undefined), time: 0 };
  #watched = live.of(() => {
    const form = this.#form.value;
    const args = form?.valid.value;
    return form && args && ["_system/functions:watch", { name: form.info.name, args }];
  });

  /** @param {readonly FunctionInfo[]} queries @param {Record<string, any>} hints values that may fit arguments of the same name */
  view(queries, hints) {
    if (queries.length === 0) return nothing;
    const form = this.#form.value;
    const choose = (/** @type {any} */ event) => {
      const info = queries.find(({ name }) => name === event.target.value);
      batch(() => (this.#form.value = info ? this.#begin(info, hints) : null));
      event.target.value = "";
    };
    if (!form) {
      return html`
        <div class="block beside"><div class="sect"><h2>Live beside it</h2>
          <select class="field" aria-label="A query to watch" @change=${choose}>
            <option value="">Watch a query…</option>${queries.map(({ name }) => html`<option value=${name}>${name}</option>`)}
          </select></div></div>`;
    }
    const outcome = /** @type {Outcome | undefined} */ (this.#watched.value);
    if (this.#seen.value !== outcome) this.#seen = { value: outcome, time: Date.now() };
    const hasArguments = Object.keys(form.schema.properties ?? {}).length > 0;
    return html`
      <div class="block beside">
        <div class="sect"><h2>Live beside it</h2>${functionName(form.info.name)}
          ${outcome && form.valid.value ? html`<span class="chip live"><i class="dot accent"></i>live, ran ${relative(this.#seen.time)}</span>` : nothing}
          <button type="button" class="btn quiet icon push" aria-label="Stop watching" title="Stop watching" @click=${() => (this.#form.value = null)}>${icon("x")}</button></div>
        ${hasArguments ? html`<div class="form">${form.view({ id: "beside" })}</div>` : nothing}
        ${this.#watched.error ? html`<p class="hint bad">${this.#watched.error.message}</p>` : nothing}
        ${form.valid.value && outcome ? (outcome.error ? html`<p class="hint bad">${outcome.error.message}</p>` : valueView(outcome.value ?? "null")) : nothing}
      </div>`;
  }

  /** @param {FunctionInfo} info @param {Record<string, any>} hints */
  #begin(info, hints) {
    const form = new ArgumentsForm(info);
    const known = Object.keys(form.schema.properties ?? {}).filter((name) => hints[name] !== undefined);
    if (known.length > 0) form.set({ ...form.values.peek(), ...Object.fromEntries(known.map((name) => [name, hints[name]])) });
    return form;
  }
}
