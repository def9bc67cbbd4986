/** Live queries as the pages Live and Health show them: what they cost, and what they depend on. */

import { number } from "./format.js";
import { html, nothing } from "./render.js";

/** @typedef {{ table: string, isWhole: boolean, columns: string[], keys: number, conditions: string[] }} TableFootprint */
/**
 * @typedef {object} LiveQuery as `_system/live:list` gives it
 * @property {number} process @property {string} function @property {string} arguments @property {string | null} identity
 * @property {number} subscribers @property {string[]} reads @property {TableFootprint[]} footprint
 * @property {boolean} readsEverything @property {number | null} refresh @property {number | null} nextRefresh
 * @property {number | null} lastRun @property {number | null} milliseconds @property {number} spent
 * @property {number} runs @property {number} unchanged @property {string[]} invalidatedBy @property {string | null} error
 * @property {string[]} advice
 */

/** Whether every commit to one of its tables makes it run. @param {LiveQuery} query */
export const isWhole = (query) => query.readsEverything || query.footprint.some((each) => each.isWhole);

/** "orders, 1 key": each table, whole ones in amber. @param {LiveQuery} query */
export function footprint(query) {
  if (query.readsEverything) return html`<span class="mono warn">every table</span>`;
  if (query.footprint.length === 0) return html`<span class="dim">${query.refresh ? `every ${number(query.refresh)} s` : "nothing"}</span>`;
  return html`<span class="mono">${query.footprint.map((each, index) => html`${index ? " · " : ""}${tableFootprint(each)}`)}</span>`;
}

/** @param {TableFootprint} part */
export function tableFootprint({ table, isWhole: whole, keys }) {
  if (whole) return html`<span class="warn" title="Every commit that writes to this table makes it run again">${table}, whole</span>`;
  return html`<span class="dim">${table}, ${keys === 1 ? "1 key" : `${number(keys)} keys`}</span>`;
}

/** The share of its runs that changed nothing, from 0 to 1. @param {LiveQuery} query */
export const forNothing = (query) => (query.runs ? query.unchanged / query.runs : 0);

/** A bar with a number beside it. @param {number} share from 0 to 1 @param {unknown} text @param {string} [kind] `c` in amber, `a` in the accent */
export const meter = (share, text, kind = "") => html`
  <span class="meter" aria-hidden="true"><i class=${kind} style=${{ width: `${Math.round(Math.min(1, share) * 100)}%` }}></i></span><span class="mv">${text}</span>`;

/** What made a query run last. @param {LiveQuery} query @param {(name: string) => unknown} view of a function's name */
export function wokenBy(query, view) {
  if (query.invalidatedBy.length === 0) return html`<span class="dim">–</span>`;
  const [first, ...others] = query.invalidatedBy;
  const name = first.startsWith("(") ? html`<span class="soft">${REASONS[first] ?? first}</span>` : view(first);
  return html`${name}${others.length ? html`<span class="dim"> and ${others.length} more</span>` : nothing}`;
}

/** @type {Record<string, string>} */
const REASONS = {
  "(time)": "its refresh",
  "(start)": "its first run",
  "(no function)": "a commit of no function",
  "(reload)": "new code",
};

/** The name of a query in an address, in which no argument stands. @param {LiveQuery} query */
export function keyOf(query) {
  let hash = 0x811c9dc5;
  for (const character of `${query.function} ${query.arguments} ${query.identity} ${query.process}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
