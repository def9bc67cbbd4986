/** What a table consists of: columns, indexes, relations and constraints. */

import { link, part } from "../ui/address.js";
import { html, nothing } from "../ui/render.js";
import { copyButton } from "../ui/states.js";

/** @import { Column, ForeignKey, Table } from "./data_cells.js" */

/** @param {Table} table */
export function schemaView(table) {
  return html`
    <div class="schema">
      <section><table class="bleed columns"><caption class="vh">Columns of ${table.name}</caption>
        <thead><tr><th>Column</th><th>Type</th><th>Null</th><th>Default</th><th>Refers to</th></tr></thead>
        <tbody>${table.columns.map(columnLine)}</tbody></table></section>
      ${section("Indexes", table.indexes.map(({ name, columns, unique, primary }) => [
        html`<code class="cut" title=${name}>${name}</code>`, html`<code>${columns.map((each) => each ?? "expression").join(", ")}</code>`,
        primary ? "primary key" : unique ? "unique" : "",
      ]))}
      ${section("Refers to", table.foreignKeys.map((key) => [
        html`<code>${key.columns.join(", ")}</code>`, tableLink(key.referred, key.referredColumns), actionsOf(key),
      ]))}
      ${section("Referred to by", table.referencedBy.map((key) => [
        tableLink(key.table, key.columns), html`<code>${key.referredColumns.join(", ")}</code>`, actionsOf(key),
      ]))}
      ${section("Constraints", table.constraints.map(({ name, kind, columns, definition }) => [
        html`<code class="cut" title=${name}>${name}</code>`, html`<code title=${definition}>${definition || columns.join(", ")}</code>`, kind,
      ]))}
      ${table.definition ? html`<section><div class="sect"><h2>Definition</h2></div><div class="code-box">${copyButton(table.definition)}<pre class="code" tabindex="0">${table.definition}</pre></div></section>` : nothing}
    </div>`;
}

/** @param {Column} column */
function columnLine({ name, type, nullable, default: initial, computed, inKey, refersTo }) {
  return html`<tr>
    <td class="mono"><strong>${name}</strong>${inKey ? html`<span class="key beside">key</span>` : nothing}</td>
    <td class="mono soft">${type}</td>
    <td>${nullable ? "null" : nothing}</td>
    <td class="mono soft" title=${initial ?? ""}>${computed ? "computed" : (initial ?? "")}</td>
    <td>${refersTo ? tableLink(refersTo, []) : nothing}</td>
  </tr>`;
}

/** @param {string} title @param {unknown[][]} lines */
function section(title, lines) {
  if (lines.length === 0) return nothing;
  return html`<section><div class="sect"><h2>${title}</h2></div>
    <table class="bleed parts"><caption class="vh">${title}</caption><tbody>${lines.map((cells) => html`<tr>${cells.map((each) => html`<td>${each}</td>`)}</tr>`)}</tbody></table></section>`;
}

/** @param {string} table @param {readonly string[]} columns */
const tableLink = (table, columns) => html`<a class="link mono" href=${link(`/data/${part(table)}`, { view: "schema" })}>${table}</a>${columns.length > 0 ? html`<code class="dim beside">(${columns.join(", ")})</code>` : nothing}`;

/** @param {ForeignKey} key */
function actionsOf({ onDelete, onUpdate }) {
  const said = [[onDelete, "delete"], [onUpdate, "update"]].filter(([action]) => action !== "no action");
  return html`<span class="soft">${said.map(([action, event]) => `on ${event} ${action}`).join(", ")}</span>`;
}
