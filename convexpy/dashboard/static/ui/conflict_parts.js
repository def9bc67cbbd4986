/** What Conflicts and Health show of a conflict alike. */

import { functionName } from "./format.js";
import { icon } from "./icons.js";
import { html, nothing } from "./render.js";

/**
 * @typedef {object} Conflict as `_system/conflicts:list` gives it
 * @property {string} function @property {string | null} other @property {string | null} table
 * @property {number} times @property {number} lastTime @property {string[]} lost @property {string[]} won
 * @property {string} advice
 */

/** What to do about a conflict, on amber. @param {Conflict} conflict @param {unknown} [more] */
export const conflictAdvice = (conflict, more = nothing) => html`
  <div class="advice">${icon("info")}<p>${marked(conflict.advice, [conflict.function, conflict.other ?? ""])} ${more}</p></div>`;

/** Text with names of functions strong, and what stands between backticks as code. @param {string} text @param {string[]} [names] */
export function marked(text, names = []) {
  return text.split("`").map((piece, index) => (index % 2 ? html`<code>${piece}</code>` : strong(piece, names.filter(Boolean))));
}

/** @param {string} text @param {string[]} names @returns {unknown} */
function strong(text, names) {
  const name = names.find((each) => text.includes(each));
  if (!name) return text;
  const at = text.indexOf(name);
  return html`${strong(text.slice(0, at), names)}<b>${name}</b>${strong(text.slice(at + name.length), names)}`;
}

/** The function that won. @param {Conflict} conflict */
export const otherOf = ({ other }) => (other ? functionName(other) : html`<span class="soft">another transaction</span>`);
