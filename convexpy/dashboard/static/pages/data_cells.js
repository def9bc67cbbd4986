/** Cells of tables: how a value is shown, and how wide its column is. Values are texts, as the database prints them. */

import { link, part } from "../ui/address.js";
import { number } from "../ui/format.js";
import { html } from "../ui/render.js";

/** @typedef {string | { text: string, length: number } | null} Cell a long value has its beginning and its length */
/** @typedef {{ name: string, type: string, kind: string, nullable: boolean, default: string | null, computed: boolean, sortable: boolean, choices: string[], inKey: boolean, refersTo: string | null }} Column */
/** @typedef {{ name: string, table: string, columns: string[], referred: string, referredColumns: string[], onDelete: string, onUpdate: string }} ForeignKey */
/** @typedef {{ name: string, kind: string, isFramework: boolean, key: string[], readOnly: string | null, columns: Column[], indexes: { name: string, columns: (string | null)[], unique: boolean, primary: boolean, definition: string }[], foreignKeys: ForeignKey[], referencedBy: ForeignKey[], constraints: { name: string, kind: string, columns: string[], definition: string }[], definition: string | null }} Table */
/** @typedef {{ key: string[], cells: Cell[] }} Row */
/** @typedef {{ count: number, more: boolean, about: boolean }} Count how many rows; `about`: the database estimates it */

const NUMBERS = new Set(["integer", "float", "decimal"]);
const IDS = /^([0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/i;
const TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(.*)$/;
const CHARACTER = 7.3; // the width of one, in pixels

/** @param {Column} column */
export const isNumber = ({ kind, refersTo }) => NUMBERS.has(kind) && !refersTo;

/** A value in a list. @param {Cell} cell @param {Column} column */
export function cellView(cell, column) {
  if (cell === null) return html`<span class="null">null</span>`;
  if (typeof cell !== "string") return html`<span title=${`${number(cell.length)} ${column.kind === "bytes" ? "bytes" : "characters"}`}>${cell.text}…</span>`;
  if (cell === "") return html`<span class="null">empty</span>`;
  const text = isNumber(column) && !column.inKey && /^-?\d{4,15}$/.test(cell) ? number(Number(cell)) : shortened(cell, column);
  return html`<span class=${column.refersTo ? "ref" : ""} title=${text === cell && cell.length < 20 ? "" : cell}>${text}</span>`;
}

/** A value on one line: ids to their first digits, times to the second. @param {string} text @param {Column} column */
export function shortened(text, column) {
  if (IDS.test(text)) return `${text.slice(0, 8)}…`;
  const time = column.kind === "datetime" ? TIME.exec(text) : null;
  if (time) return time[1] === new Date().toISOString().slice(0, 10) ? time[2] : `${time[1]} ${time[2]}`;
  return text;
}

/** @param {Cell} cell */
export const textOf = (cell) => (cell === null ? "null" : typeof cell === "string" ? cell : `${cell.text}… (${number(cell.length)})`);

/** A value in a diff: text in quotes. @param {Cell} cell @param {string} [kind] */
export function quoted(cell, kind = "text") {
  if (cell === null) return "null";
  const text = typeof cell === "string" ? cell : `${cell.text}…`;
  return NUMBERS.has(kind) || kind === "boolean" || kind === "json" ? text : JSON.stringify(text);
}

/** The kinds of a table's columns, by their names. @param {Table} table */
export const kindsOf = (table) => new Map(table.columns.map(({ name, kind }) => [name, kind]));

/** A message as a sentence. @param {string} text */
export const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** How wide a column is, by what is in it. @param {Column} column @param {readonly Cell[]} cells */
export function widthOf(column, cells) {
  const lengths = cells.map((cell) => (cell === null ? 4 : typeof cell === "string" ? shortened(cell, column).length : 40));
  const head = column.name.length + (column.inKey ? 5 : 2);
  const most = Math.min(36, Math.max(head, ...lengths));
  return Math.max(56, Math.round(most * CHARACTER) + 20);
}

/** A key as one text. @param {readonly string[]} key */
export const keyText = (key) => key.map((each) => (IDS.test(each) ? `${each.slice(0, 8)}…` : each)).join(", ");

/** The address of a row. @param {string} table @param {readonly string[]} key */
export const rowLink = (table, key) => link(`/data/${part(table)}`, { row: JSON.stringify(key) });

/** `~48k`, `1,904`, `10,000+`. @param {Count} count */
export function shortCount({ count, more, about }) {
  if (!about) return `${number(count)}${more ? "+" : ""}`;
  if (count < 1_000) return `~${count}`;
  return count < 999_500 ? `~${Math.round(count / 1_000)}k` : `~${Number((count / 1_000_000).toPrecision(3))}M`;
}

/** @param {Count} count */
export function longCount({ count, more, about }) {
  if (!about) return `${number(count)}${more ? "+" : ""} ${count === 1 ? "row" : "rows"}`;
  const size = 10 ** Math.max(0, String(Math.round(count)).length - 2);
  return `about ${number(Math.round(count / size) * size)} rows`;
}
