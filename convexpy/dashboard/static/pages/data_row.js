/** The panel of a row, or of a new one: its fields, what is changed in it, and the rows that it is related to. */

import { link, part } from "../ui/address.js";
import { isWritable } from "../ui/api.js";
import { diffView } from "../ui/diff.js";
import { count } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { html, keyed, nothing } from "../ui/render.js";
import { problem as failure, waitingLines } from "../ui/states.js";
import { keyText, kindsOf, rowLink, sentence, textOf } from "./data_cells.js";
import { writeFilters } from "./data_filters.js";
import { idOf, NEW } from "./data_pending.js";

/** @import { Cell, Column, ForeignKey, Row, Table } from "./data_cells.js" */
/** @import { Pending, Problem } from "./data_pending.js" */
/** @typedef {{ foreignKey: ForeignKey, outgoing: boolean, count: number, more: boolean, columns: string[], rows: Row[] }} Related */
/** @typedef {{ columns: string[], row: Row, related: Related[] }} OneRow */
/** @typedef {{ close: () => void, save: () => void, check: () => void, remove: (row: Row) => void }} Actions */

const LONG = 80; // characters, from which a field has several lines
const SMALL = new Set(["integer", "float", "decimal", "boolean", "date", "time"]);

/**
 * @param {Table} table @param {{ value: OneRow | null | undefined, error: Error | undefined, isLoading: boolean }} found
 * @param {string[]} key @param {Pending} pending @param {Actions} actions
 */
export function rowPanel(table, found, key, pending, actions) {
  const row = found.value && idOf(found.value.row.key) === idOf(key) ? found.value : null;
  const isEditable = table.readOnly === null && isWritable();
  const remove = row && isEditable ? html`<button type="button" class="btn quiet danger icon push" aria-label="Delete this row…" title="Delete this row…" @click=${() => actions.remove(row.row)}>${icon("trash")}</button>` : nothing;
  let body = /** @type {unknown} */ (waitingLines(4));
  if (row) body = rowFields(table, row, pending, isEditable);
  else if (found.error) body = failure(found.error);
  else if (!found.isLoading) body = html`<p class="soft">There is no row with this key. It was deleted, or its key was changed.</p>`;
  return html`
    <aside class="side data-side" aria-label=${`Row ${keyText(key)}`}>
      <header><h2 class="mono cut" title=${key.join(", ")}>${table.name} / ${keyText(key)}</h2>${remove}${closeButton(actions.close, remove === nothing)}</header>
      ${body}
      ${isEditable ? changesBlock(table, pending, actions) : nothing}
      ${row ? relatedBlock(table, row) : nothing}
    </aside>`;
}

/** @param {Table} table @param {Pending} pending @param {Actions} actions */
export function newRowPanel(table, pending, actions) {
  const columns = table.columns.filter(({ computed }) => !computed);
  const change = pending.of(NEW);
  const problem = pending.problems.value.get(NEW);
  const field = (/** @type {Column} */ column) => {
    const isGiven = change?.values.has(column.name) === true;
    const value = change?.values.get(column.name) ?? null;
    const left = column.default ?? (column.nullable ? "null" : "");
    const fallback = column.inKey && !left && column.kind === "integer" ? "the next number" : left;
    const shown = { value: isGiven ? value : null, placeholder: isGiven && value === null ? "null" : fallback, isChanged: isGiven };
    return fieldView(column, shown, problem, (text) => pending.fill(column.name, text), isGiven ? () => pending.fill(column.name, undefined) : null);
  };
  return html`
    <aside class="side data-side" aria-label="New row">
      <header><h2 class="mono cut">${table.name} / new row</h2>${closeButton(actions.close, true)}</header>
      ${problem && !problem.column ? problemView(NEW, problem, pending) : nothing}
      <div class="form fields">${keyed(columns, ({ name }) => name, field)}</div>
      ${changesBlock(table, pending, actions)}
    </aside>`;
}

/** @param {() => void} close @param {boolean} isFirst */
const closeButton = (close, isFirst) => html`<button type="button" class=${`btn quiet icon ${isFirst ? "push" : ""}`} aria-label="Close" @click=${close}>${icon("x")}</button>`;

/** @param {Table} table @param {OneRow} row @param {Pending} pending @param {boolean} isEditable */
function rowFields(table, { row, related }, pending, isEditable) {
  const id = idOf(row.key);
  const [change, problem] = [pending.of(id), pending.problems.value.get(id)];
  const field = (/** @type {Column} */ column, /** @type {number} */ at) => {
    const cell = row.cells[at];
    const reference = related.find(({ outgoing, foreignKey }) => outgoing && foreignKey.columns.length === 1 && foreignKey.columns[0] === column.name);
    if (!isEditable || column.computed || column.inKey || (cell !== null && typeof cell !== "string")) return staticField(column, cell, reference);
    const isChanged = change?.values.has(column.name) === true;
    const value = isChanged ? (change?.values.get(column.name) ?? null) : cell;
    const back = isChanged ? () => pending.edit(row.key, column.name, cell, cell) : null;
    return fieldView(column, { value, placeholder: value === null ? "null" : "", isChanged }, problem, (text) => pending.edit(row.key, column.name, text, cell), back, reference);
  };
  return html`
    ${problem && (problem.differences.length > 0 || !problem.column) ? problemView(id, problem, pending) : nothing}
    <div class="form fields">${keyed(table.columns, ({ name }) => name, field)}</div>`;
}

/** What stands above a field. @param {Column} column @param {unknown} marks @param {Related} [reference] */
function heading({ name, type, inKey, refersTo, nullable }, marks, reference) {
  const target = reference?.rows[0];
  const words = `${type}${inKey ? ", key" : nullable ? " or null" : ""}`;
  const to = refersTo ? (target ? html`<span class="beside">→ <a class="link" href=${rowLink(refersTo, target.key)}>${refersTo}</a></span>` : ` → ${refersTo}`) : "";
  return html`<span class="field-head"><span class="cut" title=${name}>${name}</span>${marks}<code class="cut" title=${words}>${words}${to}</code></span>`;
}

/** @param {Column} column @param {Cell} cell @param {Related} [reference] */
function staticField(column, cell, reference) {
  const isLong = typeof cell === "string" && (cell.length > LONG || cell.includes("\n"));
  const text = cell === null ? html`<span class="null">null</span>` : textOf(cell);
  return html`<div class=${`lab ${SMALL.has(column.kind) ? "small" : ""}`}>${heading(column, nothing, reference)}
    <div class=${`field mono still ${isLong ? "long" : ""}`} tabindex=${isLong ? 0 : nothing}>${isLong ? text : html`<span class="cut" title=${typeof cell === "string" ? cell : ""}>${text}</span>`}</div></div>`;
}

/**
 * @param {Column} column @param {{ value: string | null, placeholder: string, isChanged: boolean }} shown @param {Problem | undefined} problem
 * @param {(text: string | null) => void} change @param {(() => void) | null} back @param {Related} [reference]
 */
function fieldView(column, { value, placeholder, isChanged }, problem, change, back, reference) {
  const isWrong = problem?.column === column.name;
  const input = (/** @type {any} */ event) => change(event.target.value);
  const choices = column.kind === "boolean" ? ["true", "false"] : column.choices;
  const isLong = column.kind === "json" || (value !== null && (value.length > LONG || value.includes("\n")));
  const names = `field mono ${isWrong ? "is-wrong" : ""} ${value === null ? "is-null" : ""}`;
  const marks = html`${isChanged ? html`<span class="chip warn">changed</span>` : nothing}${
    back ? html`<button type="button" class="link tiny" @click=${back}>undo</button>` : nothing}${
    column.nullable && value !== null ? html`<button type="button" class="link tiny" aria-label=${`Set ${column.name} to null`} @click=${() => change(null)}>set null</button>` : nothing}`;
  let control;
  if (choices.length > 0) {
    const chosen = (/** @type {any} */ event) => change(event.target.value === "" ? null : event.target.value);
    const none = column.nullable || value === null ? html`<option value="">${placeholder || "null"}</option>` : nothing;
    control = html`<select class=${names} data-column=${column.name} aria-label=${column.name} .value=${value ?? ""} @change=${chosen}>${none}${choices.map((each) => html`<option value=${each}>${each}</option>`)}</select>`;
  } else if (isLong) {
    control = html`<textarea class=${names} data-column=${column.name} aria-label=${column.name} spellcheck="false" placeholder=${placeholder} .value=${value ?? ""} @input=${input}></textarea>`;
  } else {
    control = html`<input class=${names} data-column=${column.name} aria-label=${column.name} autocomplete="off" spellcheck="false" placeholder=${placeholder} .value=${value ?? ""} @input=${input}>`;
  }
  return html`<div class=${`lab ${SMALL.has(column.kind) ? "small" : ""}`}>${heading(column, marks, reference)}${control}
    ${isWrong && problem?.differences.length === 0 ? html`<span class="hint bad" role="alert">${sentence(problem.message)}</span>` : nothing}</div>`;
}

/** Why a row cannot be saved; of one that changed meanwhile, both versions. @param {string} id @param {Problem} problem @param {Pending} pending */
function problemView(id, problem, pending) {
  const versions = problem.differences.map(({ column, old, new: now }) => html`<dt class="mono cut">${column}</dt><dd><span class="dim">you saw</span> ${textOf(old)}<br><span class="dim">it is now</span> <strong>${textOf(now)}</strong></dd>`);
  return html`
    <div class="problem" role="alert">
      <p>${sentence(problem.message)}</p>
      ${versions.length > 0 ? html`<dl class="versions">${versions}</dl><button type="button" class="btn" @click=${() => pending.acceptNow(id, problem)}>Keep my changes of it</button>` : nothing}
    </div>`;
}

/** @param {Table} table @param {Pending} pending @param {Actions} actions */
function changesBlock(table, pending, { save, check }) {
  const { count: changes } = pending;
  if (changes === 0) return nothing;
  const isBusy = pending.isSaving.value;
  return html`
    <div class="block">
      <div class="sect"><h2>${pending.title}</h2><button type="button" class="btn quiet push" @click=${() => pending.discard()}>Discard</button></div>
      ${pending.hasValues ? diffView(pending.diff(kindsOf(table))) : nothing}
      <label class="reason"><span>Reason <span class="dim">kept in the audit log</span></span>
        <input class="field" maxlength="500" .value=${pending.reason.value} @input=${(/** @type {any} */ event) => (pending.reason.value = event.target.value)}></label>
      <div class="row"><button type="button" class="btn primary" ?disabled=${isBusy} @click=${save}>${pending.words} <kbd>Ctrl ↵</kbd></button>
        <button type="button" class="btn" ?disabled=${isBusy} @click=${check}>Check first</button></div>
      <p class="hint">One transaction: it saves only if each row is still as you saw it.</p>
    </div>`;
}

/** @param {Table} table @param {OneRow} row */
function relatedBlock(table, { row, related }) {
  const incoming = related.filter(({ outgoing }) => !outgoing);
  if (incoming.length === 0) return nothing;
  const line = (/** @type {Related} */ { foreignKey, count: found, more, rows }) => {
    const filters = foreignKey.columns.map((column, at) => {
      const place = table.columns.findIndex(({ name }) => name === foreignKey.referredColumns[at]);
      return { column, operator: "=", value: /** @type {string} */ (row.cells[place]) };
    });
    const all = link(`/data/${part(foreignKey.table)}`, { filter: writeFilters(filters) });
    const first = rows.map(({ key }) => html`<a class="link mono" href=${rowLink(foreignKey.table, key)}>${keyText(key)}</a>`);
    return html`<li><a class="fn" href=${all}><b>${foreignKey.table}</b></a> <span class="dim">by ${foreignKey.columns.join(", ")}</span><a class="push link" href=${all}>${count({ count: found, more })} ${found === 1 ? "row" : "rows"}</a>
      ${rows.length > 0 ? html`<span class="few cut">${first}</span>` : nothing}</li>`;
  };
  return html`<div class="block"><div class="sect"><h2>Referred to by</h2></div><ul class="related">${incoming.map(line)}</ul></div>`;
}

