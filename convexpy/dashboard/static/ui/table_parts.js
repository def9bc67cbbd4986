/** Parts of a list: the height of its lines, what scrolls it, what is in view, and its cells. See ui/table.js. */

import { html, nothing } from "./render.js";

/** @import { Column, Entry } from "./table.js" */

/** Whether a line of a list has two lines of text. */
export const narrow = matchMedia("(max-width: 640px)");
const coarse = matchMedia("(pointer: coarse)");

export function lineHeight() {
  if (narrow.matches) return 58;
  return coarse.matches ? 44 : 34;
}

/** @param {HTMLElement} element @returns {HTMLElement} */
export function scrollerOf(element) {
  for (let parent = element.parentElement; parent; parent = parent.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(parent).overflowY)) return parent;
  }
  return document.documentElement;
}

/** The first entry that ends below a place. @param {Entry[]} entries @param {number} place */
export function bound(entries, place) {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].top + entries[middle].height > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {Column} column */
export function columnHead({ title, isNumber, sorted, onSort }) {
  const content = onSort ? html`<button type="button" class="sort" @click=${onSort}>${title}</button>` : title;
  return html`<span role="columnheader" class=${isNumber ? "num" : ""} aria-sort=${sorted ?? nothing}>${content}</span>`;
}

/** @param {Column} column @param {any} item */
export function cell({ view, isNumber, className = "", place }, item) {
  const names = [isNumber && "num", className, place && `at-${place}`].filter(Boolean).join(" ");
  return html`<span role="gridcell" class=${names || nothing}>${view(item)}</span>`;
}
