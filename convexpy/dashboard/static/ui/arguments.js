/**
 * The arguments of a function: a form made of its schema or the same values as JSON, checked by the server while one types.
 *
 *     const args = new ArgumentsForm(info);              // info: of _system/functions:list
 *     html`<form class="form">${args.view()}</form>`
 *     args.values.value       // what is in the form
 *     args.valid.value        // the last values that the function takes; null: none yet
 *     if (await args.check()) …
 */

import { query } from "./api.js";
import { schemaForm } from "./form.js";
import { html, nothing, signal } from "./render.js";
import { startOf } from "./schema.js";

/** @typedef {{ name: string, arguments: any }} FunctionInfo `arguments`: a schema, or its JSON text as the server sends it */

const PAUSE = 200; // milliseconds between the last key and the check
const MISSING = "Field required";

export class ArgumentsForm {
  #timer = /** @type {any} */ (undefined);
  #checks = 0;

  /** @param {FunctionInfo} info @param {Record<string, any>} [values] */
  constructor(info, values) {
    this.info = info;
    this.schema = schemaOf(info.arguments);
    this.values = signal(/** @type {Record<string, any>} */ (values ?? startOf(this.schema) ?? {}));
    this.issues = signal(/** @type {{ path: string, message: string }[]} */ ([]));
    this.valid = signal(/** @type {Record<string, any> | null} */ (null));
    this.isTried = signal(false);
    this.isJson = signal(false);
    this.text = signal("");
    this.textProblem = signal("");
    void this.check();
  }

  /** What the server says of the values as they are. @returns {Promise<boolean>} whether the function takes them */
  async check() {
    clearTimeout(this.#timer);
    const number = ++this.#checks;
    const values = this.values.peek();
    let issues;
    try {
      issues = await query("_system/functions:check", { name: this.info.name, args: values });
    } catch (error) {
      issues = [{ path: "arguments", message: error instanceof Error ? error.message : String(error) }];
    }
    if (number !== this.#checks) return issues.length === 0;
    this.issues.value = issues;
    if (issues.length === 0) this.valid.value = values;
    return issues.length === 0 && this.textProblem.peek() === "";
  }

  /** The same, after which what is missing is said as well. */
  async checkAll() {
    this.isTried.value = true;
    return this.check();
  }

  /** @param {Record<string, any>} values */
  set(values) {
    this.values.value = values;
    this.text.value = textOf(values);
    this.textProblem.value = "";
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.check(), PAUSE);
  }

  /** @param {boolean} isJson */
  show(isJson) {
    if (isJson) this.text.value = textOf(this.values.peek());
    this.textProblem.value = "";
    this.isJson.value = isJson;
  }

  /** @param {string} text */
  #type(text) {
    this.text.value = text;
    try {
      const values = valuesOf(text);
      if (typeof values !== "object" || values === null || Array.isArray(values)) throw new Error("The arguments are one JSON object");
      this.textProblem.value = "";
      this.values.value = values;
      this.#later();
    } catch (error) {
      this.textProblem.value = error instanceof Error ? error.message : String(error);
    }
  }

  /** The switch between the form and JSON. */
  choice() {
    const side = (/** @type {boolean} */ isJson, /** @type {string} */ word) =>
      html`<button type="button" aria-pressed=${this.isJson.value === isJson} @click=${() => this.show(isJson)}>${word}</button>`;
    return html`<span class="seg push" role="group" aria-label="Enter as">${side(false, "Form")}${side(true, "JSON")}</span>`;
  }

  /** @param {{ id?: string, isDisabled?: boolean }} [options] */
  view({ id = "args", isDisabled = false } = {}) {
    const issues = this.issues.value;
    if (!this.isJson.value) {
      const form = this;
      const values = {
        get value() {
          return form.values.value;
        },
        set value(/** @type {any} */ changed) {
          form.set(changed);
        },
      };
      return schemaForm(this.schema, values, { issues, isTried: this.isTried.value, isDisabled, id });
    }
    const said = issues.filter(({ message }) => this.isTried.value || message !== MISSING);
    const problems = this.textProblem.value ? [{ path: "", message: this.textProblem.value }] : said;
    return html`
      <div class="lab">
        <textarea class=${`field mono tall ${problems.length > 0 ? "is-wrong" : ""}`} aria-label="Arguments as JSON" spellcheck="false" ?disabled=${isDisabled}
          .value=${this.text.value} @input=${(/** @type {any} */ event) => this.#type(event.target.value)}></textarea>
        ${problems.map(({ path, message }) => html`<span class="hint bad">${path ? `${path}: ` : nothing}${message}</span>`)}
      </div>`;
  }
}

/** A schema of the server. @param {any} given @returns {Record<string, any>} */
export const schemaOf = (given) => (typeof given === "string" ? JSON.parse(given) : given);

/** Values as JSON text; a bigint is its digits. @param {any} values */
export function textOf(values) {
  const text = JSON.stringify(values, (_, value) => (typeof value === "bigint" ? `\u0001${value}` : value), 2) ?? "";
  return text.replace(/"\\u0001(-?\d+)"/g, "$1");
}

/** The values of a JSON text; whole numbers beyond 2**53 are bigints, where the browser says how they are written. @param {string} text @returns {any} */
export function valuesOf(text) {
  const revive = (/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
  return JSON.parse(text.trim() === "" ? "{}" : text, /** @type {any} */ (revive));
}
