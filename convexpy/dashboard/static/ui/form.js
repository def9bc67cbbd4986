/**
 * A form made of a JSON schema, for the arguments of a function.
 *
 *     const values = signal(startOf(schema));
 *     html`<form class="form">${schemaForm(schema, values, { issues })}</form>`
 *
 * Values are what is sent: an optional field that is left empty is left out, a whole number beyond 2**53 is a bigint,
 * bytes are base64, and what cannot be read as what it should be stays the text that was typed, which the server's check
 * complains about. ui/arguments.js adds that check, and the same values as JSON.
 */

import { icon } from "./icons.js";
import { html, nothing } from "./render.js";
import { isNullable, resolve, startOf, typeText, variantOf, variantsOf } from "./schema.js";

/** @typedef {Record<string, any>} Schema */
/** @typedef {{ path: string, message: string }} Issue */
/** @typedef {{ root: Schema, issues: readonly Issue[], isTried: boolean, isDisabled: boolean, id: string }} Form */
/** @typedef {{ schema: Schema, path: string, label: unknown, value: any, set: (value: any) => void, isRequired: boolean, remove?: () => void }} Field */

/**
 * @param {Schema} schema of an object @param {{ value: any }} values a signal
 * @param {{ issues?: readonly Issue[], isTried?: boolean, isDisabled?: boolean, id?: string }} [options]
 *   `isTried`: what is missing is said as well; `id`: before the ids of its fields
 */
export function schemaForm(schema, values, { issues = [], isTried = false, isDisabled = false, id = "value" } = {}) {
  const form = { root: schema, issues, isTried, isDisabled, id };
  const properties = Object.entries(schema.properties ?? {});
  const elsewhere = issues.filter(({ path, message }) => {
    return !properties.some(([name]) => isWithin(path, name)) && (isTried || message !== MISSING);
  });
  const fields = properties.map(([name, property]) => propertyField(form, schema, name, property, "", values.value ?? {}, (value) => (values.value = value)));
  return html`
    ${fields}
    ${properties.length === 0 ? html`<p class="hint">It takes no arguments.</p>` : nothing}
    ${elsewhere.map(({ path, message }) => html`<p class="hint bad">${path}: ${message}</p>`)}`;
}

const MISSING = "Field required";

/** Whether a problem is about a place or something in it. @param {string} path @param {string} place */
const isWithin = (path, place) => path === place || path.startsWith(`${place}.`) || path.startsWith(`${place}[`);

/** @param {Form} form @param {Schema} owner @param {string} name @param {Schema} property @param {string} path @param {any} object @param {(value: any) => void} set */
function propertyField(form, owner, name, property, path, object, set) {
  const change = (/** @type {any} */ value) => {
    const { [name]: _, ...others } = object;
    const order = Object.keys(owner.properties);
    const entries = Object.entries(value === undefined ? others : { ...others, [name]: value });
    set(Object.fromEntries(entries.sort(([one], [other]) => order.indexOf(one) - order.indexOf(other))));
  };
  const isRequired = (owner.required ?? []).includes(name);
  return field(form, { schema: property, path: path ? `${path}.${name}` : name, label: name, value: object?.[name], set: change, isRequired });
}

/** @param {Form} form @param {Field} given @returns {unknown} */
function field(form, given) {
  const schema = resolve(form.root, given.schema);
  const inner = { ...given, schema };
  if (isNullable(form.root, schema)) return nullableField(form, inner);
  const variants = variantsOf(form.root, schema);
  if (variants.length > 1) return unionField(form, inner, variants);
  if (schema.enum || "const" in schema) return labelled(form, inner, (id) => choice(form, inner, id));
  if (schema.type === "object" && schema.properties) return objectField(form, inner);
  if (schema.type === "object") return entriesField(form, inner);
  if (schema.type === "array") return listField(form, inner);
  if (schema.type === "boolean") return labelled(form, inner, (id) => yesOrNo(form, inner, id));
  if (schema.type === "integer" || schema.type === "number") return labelled(form, inner, (id) => numberInput(form, inner, id));
  if (schema.type === "string") return labelled(form, inner, (id) => textInput(form, inner, id));
  return labelled(form, inner, (id) => jsonInput(form, inner, id));
}

/** The problems of a field, and of what is in it. @param {Form} form @param {Field} given */
function problemsOf(form, { path, value }) {
  return form.issues.filter((issue) => isWithin(issue.path, path) && (form.isTried || issue.message !== MISSING || value !== undefined));
}

/** A label, the type, an input and its problem. @param {Form} form @param {Field} given @param {(id: string) => unknown} input */
function labelled(form, given, input) {
  const id = `${form.id}-${given.path}`;
  const problems = problemsOf(form, given);
  return html`
    <div class="lab">
      <span><label for=${id}>${given.label}</label><code>${typeText(form.root, given.schema, given.isRequired)}</code>${removal(given)}</span>
      ${input(id)}
      ${problems.length > 0 ? html`<span class="hint bad" id=${`${id}-problem`}>${problems.map(({ message }) => message).join(". ")}.</span>` : nothing}
    </div>`;
}

/** @param {Field} given */
const removal = ({ remove }) =>
  remove ? html`<button type="button" class="btn quiet icon small" aria-label="Remove" title="Remove" @click=${remove}>${icon("x")}</button>` : nothing;

/** What every input has. @param {Form} form @param {Field} given @param {string} id */
function stateOf(form, given, id) {
  const isWrong = problemsOf(form, given).length > 0;
  return { isWrong, wrong: isWrong ? "true" : nothing, by: isWrong ? `${id}-problem` : nothing, isOff: form.isDisabled };
}

/** @param {Form} form @param {Field} given @param {string} id */
function textInput(form, { schema, value, set, isRequired, ...given }, id) {
  const { isWrong, wrong, by, isOff } = stateOf(form, { schema, value, set, isRequired, ...given }, id);
  const isDate = schema.format === "date";
  const isInstant = schema.format === "date-time";
  const put = (/** @type {any} */ event) => {
    const text = event.target.value;
    if (text === "") return set(isRequired && !isDate && !isInstant ? "" : undefined);
    set(isInstant ? `${text}${text.length === 16 ? ":00" : ""}Z` : text);
  };
  if (isDate || isInstant) {
    const shown = typeof value === "string" ? value.replace(/(Z|\+00:00)$/, "") : "";
    return html`<input id=${id} class=${`field ${isWrong ? "is-wrong" : ""}`} type=${isDate ? "date" : "datetime-local"} step=${isInstant ? "1" : nothing}
      ?disabled=${isOff} aria-invalid=${wrong} aria-describedby=${by} .value=${shown} @input=${put}>`;
  }
  const text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const example = schema.default === undefined ? (schema.examples?.[0] ?? PLACEHOLDERS[schema.format] ?? "") : String(schema.default);
  if (text.includes("\n") || text.length > 120) {
    return html`<textarea id=${id} class=${`field ${isWrong ? "is-wrong" : ""}`} rows="4" ?disabled=${isOff} aria-invalid=${wrong} aria-describedby=${by}
      .value=${text} @input=${put}></textarea>`;
  }
  return html`<input id=${id} class=${`field ${isWrong ? "is-wrong" : ""}`} autocomplete="off" spellcheck="false" placeholder=${example} ?disabled=${isOff}
    aria-invalid=${wrong} aria-describedby=${by} .value=${text} @input=${put}>`;
}

/** @type {Record<string, string>} */
const PLACEHOLDERS = { uuid: "00000000-0000-…", time: "14:30:00", duration: "P1DT2H", email: "ada@example.com", uri: "https://…", binary: "base64", base64url: "base64" };

/** @param {Form} form @param {Field} given @param {string} id */
function numberInput(form, given, id) {
  const { schema, value, set } = given;
  const { isWrong, wrong, by, isOff } = stateOf(form, given, id);
  const isWhole = schema.type === "integer";
  const put = (/** @type {any} */ event) => set(numberOf(event.target.value, isWhole, false));
  const settle = (/** @type {any} */ event) => set(numberOf(event.target.value, isWhole, true));
  return html`<input id=${id} class=${`field ${isWrong ? "is-wrong" : ""}`} inputmode=${isWhole ? "numeric" : "decimal"} autocomplete="off" ?disabled=${isOff}
    placeholder=${schema.default === undefined || schema.default === null ? "" : String(schema.default)} aria-invalid=${wrong} aria-describedby=${by}
    .value=${value === undefined || value === null ? "" : String(value)} @input=${put} @change=${settle}>`;
}

/** The number that a text says, or the text. While one types, only a text that is the number's own. @param {string} text @param {boolean} isWhole @param {boolean} isSettled */
export function numberOf(text, isWhole, isSettled) {
  const bare = text.trim();
  if (bare === "") return undefined;
  if (isWhole && /^-?\d{1,19}$/.test(bare)) return Number.isSafeInteger(Number(bare)) ? (isSettled || String(Number(bare)) === bare ? Number(bare) : text) : BigInt(bare);
  const number = Number(bare);
  if (Number.isFinite(number) && (isSettled || String(number) === text)) return number;
  return text;
}

/** @param {Form} form @param {Field} given @param {string} id */
function yesOrNo(form, { schema, value, set, isRequired, ...given }, id) {
  const { wrong, by, isOff } = stateOf(form, { schema, value, set, isRequired, ...given }, id);
  const isOn = value === undefined ? schema.default === true : value === true;
  const put = (/** @type {any} */ event) => set(event.target.checked);
  return html`<label class="check"><input id=${id} type="checkbox" class="box" ?disabled=${isOff} aria-invalid=${wrong} aria-describedby=${by} .checked=${isOn} @change=${put}>${isOn ? "true" : "false"}</label>`;
}

/** @param {Form} form @param {Field} given @param {string} id */
function choice(form, given, id) {
  const { schema, value, set, isRequired } = given;
  const { isWrong, wrong, by, isOff } = stateOf(form, given, id);
  const all = schema.enum ?? [schema.const];
  const at = all.findIndex((/** @type {unknown} */ each) => each === value);
  const put = (/** @type {any} */ event) => set(event.target.value === "" ? undefined : all[Number(event.target.value)]);
  const first = isRequired ? "Choose…" : schema.default === undefined ? "Left out" : `${schema.default} (default)`;
  return html`<select id=${id} class=${`field ${isWrong ? "is-wrong" : ""}`} ?disabled=${isOff} aria-invalid=${wrong} aria-describedby=${by} .value=${at < 0 ? "" : String(at)} @change=${put}>
    <option value="">${first}</option>
    ${all.map((/** @type {unknown} */ each, /** @type {number} */ index) => html`<option value=${String(index)}>${String(each)}</option>`)}
  </select>`;
}

/** Anything, as JSON. @param {Form} form @param {Field} given @param {string} id */
function jsonInput(form, given, id) {
  const { isWrong, wrong, by, isOff } = stateOf(form, given, id);
  const put = (/** @type {any} */ event) => {
    const text = event.target.value;
    try {
      given.set(text.trim() === "" ? undefined : JSON.parse(text));
    } catch {} // it is being typed: the last value stays
  };
  const shown = given.value === undefined ? "" : JSON.stringify(given.value);
  return html`<textarea id=${id} class=${`field mono ${isWrong ? "is-wrong" : ""}`} placeholder="JSON" spellcheck="false" ?disabled=${isOff} aria-invalid=${wrong}
    aria-describedby=${by} ref=${(/** @type {any} */ element) => (element.value = shown)} @input=${put}></textarea>`;
}

/** @param {Form} form @param {Field} given */
function nullableField(form, given) {
  const { schema, value, set, isRequired } = given;
  const { anyOf, ...others } = schema;
  const inner = variantsOf(form.root, schema).filter((each) => resolve(form.root, each).type !== "null");
  const bare = inner.length === 1 ? { ...others, ...resolve(form.root, inner[0]) } : { ...others, anyOf: inner };
  const isNull = value === null || (value === undefined && !isRequired && schema.default === null);
  const put = (/** @type {any} */ event) => set(event.target.checked ? null : startOf(form.root, bare));
  const toggle = html`<label class="check nullable"><input type="checkbox" class="box" ?disabled=${form.isDisabled} .checked=${isNull} @change=${put}>null</label>`;
  if (isNull) return labelled(form, { ...given, schema }, (id) => html`<div class="row"><span class="field null" id=${id}>null</span>${toggle}</div>`);
  return html`<div class="nullable-field">${field(form, { ...given, schema: bare, isRequired: true })}${toggle}</div>`;
}

/** @param {Form} form @param {Field} given @param {Schema[]} variants */
function unionField(form, given, variants) {
  const at = Math.max(0, variantOf(form.root, variants, given.value));
  const put = (/** @type {any} */ event) => given.set(startOf(form.root, variants[Number(event.target.value)]) ?? blankOf(resolve(form.root, variants[Number(event.target.value)])));
  const id = `${form.id}-${given.path}-variant`;
  return html`
    <div class="lab">
      <span><label for=${id}>${given.label}</label><code>one of ${variants.length}</code>${removal(given)}</span>
      <select id=${id} class="field" ?disabled=${form.isDisabled} .value=${String(at)} @change=${put}>
        ${variants.map((variant, index) => html`<option value=${String(index)}>${resolve(form.root, variant).title ?? typeText(form.root, variant, true)}</option>`)}
      </select>
      <div class="nested">${field(form, { ...given, schema: variants[at], label: "value", remove: undefined, isRequired: true })}</div>
    </div>`;
}

/** A value of a type, so that its field is known by it. @param {Schema} schema */
function blankOf(schema) {
  if ("const" in schema) return schema.const;
  return { string: "", integer: 0, number: 0, boolean: false, array: [], object: {} }[/** @type {string} */ (schema.type)] ?? "";
}

/** @param {Form} form @param {Field} given @param {unknown} body @param {unknown} [tail] */
function group(form, given, body, tail = nothing) {
  const exact = form.issues.filter(({ path, message }) => path === given.path && (form.isTried || message !== MISSING));
  return html`
    <fieldset class="lab" role="group" aria-label=${typeof given.label === "string" ? given.label : "value"}>
      <span>${given.label}<code>${typeText(form.root, given.schema, given.isRequired)}</code>${removal(given)}</span>
      ${body === nothing ? nothing : html`<div class="nested">${body}</div>`}
      ${tail}
      ${exact.map(({ message }) => html`<span class="hint bad">${message}.</span>`)}
    </fieldset>`;
}

/** @param {string} word @param {Form} form @param {() => void} add */
const addition = (word, form, add) => html`<div><button type="button" class="btn quiet" ?disabled=${form.isDisabled} @click=${add}>${icon("plus")}${word}</button></div>`;

/** @param {Form} form @param {Field} given */
function objectField(form, given) {
  const { schema, value, set, path, isRequired } = given;
  if (value === undefined && !isRequired) return group(form, given, nothing, addition("Fill in", form, () => set(startOf(form.root, schema) ?? {})));
  const object = typeof value === "object" && value !== null ? value : {};
  const tail = isRequired ? nothing : html`<div><button type="button" class="btn quiet" @click=${() => set(undefined)}>${icon("x")}Leave out</button></div>`;
  const body = Object.entries(schema.properties).map(([name, property]) => propertyField(form, schema, name, /** @type {Schema} */ (property), path, object, set));
  return group(form, given, body, tail);
}

/** @param {Form} form @param {Field} given */
function listField(form, given) {
  const { schema, value, set, path } = given;
  const items = Array.isArray(value) ? value : [];
  const itemSchema = (/** @type {number} */ index) => schema.prefixItems?.[index] ?? (typeof schema.items === "object" ? schema.items : {});
  const isFixed = schema.prefixItems !== undefined && (!schema.items || schema.items === true || schema.maxItems === schema.prefixItems.length);
  const put = (/** @type {any[]} */ changed) => set(changed.length === 0 && !given.isRequired ? undefined : changed);
  const fields = (isFixed ? schema.prefixItems : items).map((/** @type {unknown} */ _, /** @type {number} */ index) =>
    field(form, {
      schema: itemSchema(index),
      path: `${path}[${index}]`,
      label: `${index + 1}`,
      value: items[index],
      set: (item) => put(Object.assign([...items], { [index]: item === undefined ? "" : item })),
      isRequired: true,
      remove: isFixed ? undefined : () => put(items.filter((_, at) => at !== index)),
    }),
  );
  const item = itemSchema(items.length);
  const add = () => put([...items, startOf(form.root, item) ?? blankOf(resolve(form.root, item))]);
  return group(form, given, fields.length > 0 ? fields : nothing, isFixed ? nothing : addition("Add one", form, add));
}

/** An object of any keys. @param {Form} form @param {Field} given */
function entriesField(form, given) {
  const { schema, value, set, path } = given;
  if (typeof schema.additionalProperties !== "object") return labelled(form, given, (id) => jsonInput(form, given, id));
  const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
  const put = (/** @type {[string, any][]} */ changed) => set(changed.length === 0 && !given.isRequired ? undefined : Object.fromEntries(changed));
  const fields = entries.map(([key, item], index) => {
    const rename = (/** @type {any} */ event) => put(entries.map((entry, at) => (at === index ? [event.target.value, item] : entry)));
    const label = html`<input class="field key" aria-label="Key" .value=${key} @change=${rename}>`;
    const change = (/** @type {any} */ changed) => put(entries.map((entry, at) => (at === index ? [key, changed === undefined ? "" : changed] : entry)));
    const remove = () => put(entries.filter((_, at) => at !== index));
    return field(form, { schema: schema.additionalProperties, path: `${path}.${key}`, label, value: item, set: change, isRequired: true, remove });
  });
  const item = resolve(form.root, schema.additionalProperties);
  const add = () => put([...entries, [`key${entries.length + 1}`, startOf(form.root, item) ?? blankOf(item)]]);
  return group(form, given, fields.length > 0 ? fields : nothing, addition("Add a key", form, add));
}
