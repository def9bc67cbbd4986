/**
 * Which rows change, table by table: what would happen in a dry run, and what an edit is about to do.
 *
 *     diffView([{ table: "orders", rows: [{ action: "updated", key: '"o1"', before: { status: '"new"' }, after: { status: '"paid"' } }] }])
 *
 * Values are texts as they are shown: JSON, or a time. Of an updated row, both sides have the columns that change.
 */

import { plural } from "./format.js";
import { html, nothing } from "./render.js";

/** @typedef {{ action: "inserted" | "updated" | "deleted", key: string, before: Record<string, string> | null, after: Record<string, string> | null }} RowChange */
/** @typedef {{ table: string, key?: readonly string[], rows: readonly RowChange[], counts?: Record<string, number> }} TableChanges `key`: the columns of the primary key */

const SHOWN = 10; // rows of one table that are open from the start

/** @param {readonly TableChanges[]} changes @param {{ link?: (table: string) => string }} [options] where a table's name leads */
export function diffView(changes, { link } = {}) {
  return html`<div class="diffs">${changes.map((each) => tableDiff(each, link))}</div>`;
}

/** @param {TableChanges} changes @param {((table: string) => string) | undefined} link */
function tableDiff({ table, key = [], rows, counts }, link) {
  const view = (/** @type {RowChange} */ row) => rowDiff(row, key);
  const numbers = counts ?? countsOf(rows);
  const happened = Object.entries(numbers).map(([action, count]) => `${plural(count, "row")} ${action}`);
  const total = Object.values(numbers).reduce((sum, count) => sum + count, 0);
  const name = link ? html`<a href=${link(table)}><code>${table}</code></a>` : html`<code>${table}</code>`;
  return html`
    <section class="diff" aria-label=${table}>
      <div class="t">${name}${happened.join(", ")}</div>
      ${rows.slice(0, SHOWN).map(view)}
      ${rows.length > SHOWN ? html`<details><summary>${plural(rows.length - SHOWN, "more row")}</summary>${rows.slice(SHOWN).map(view)}</details>` : nothing}
      ${total > rows.length ? html`<p class="hint">${plural(total - rows.length, "row")} more, not shown.</p>` : nothing}
    </section>`;
}

/** @param {readonly RowChange[]} rows */
function countsOf(rows) {
  const counts = /** @type {Record<string, number>} */ ({});
  for (const { action } of rows) counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

/** @param {RowChange} row @param {readonly string[]} columns */
function rowDiff({ action, key, before, after }, columns) {
  if (action !== "updated") {
    const isNew = action === "inserted";
    return html`<div class="change" role="group" aria-label=${`${key} ${action}`}>${lines(isNew ? after : before, isNew)}</div>`;
  }
  return html`
    <div class="change" role="group" aria-label=${`${key} updated`}>
      <div class="l row-key"><span></span><span>${columns.join(", ")}</span><span title=${key}>${key}</span></div>
      ${Object.keys(after ?? {}).map((name) => html`${line(name, before?.[name], false)}${line(name, after?.[name], true)}`)}
    </div>`;
}

/** @param {Record<string, string> | null} values @param {boolean} isNew */
const lines = (values, isNew) => Object.entries(values ?? {}).map(([name, value]) => line(name, value, isNew));

/** @param {string} name @param {string | undefined} value @param {boolean} isNew */
function line(name, value, isNew) {
  return html`<div class=${`l ${isNew ? "add" : "del"}`}>
    <span aria-hidden="true">${isNew ? "+" : "−"}</span><span title=${name}>${name}</span><span class=${value === "null" ? "null" : ""} title=${value}><span class="vh">${isNew ? "new" : "old"} </span>${value ?? ""}</span>
  </div>`;
}
