/**
 * Icons, drawn here: `icon("search")`, `stateIcon("failed")`, `state("failed")` with its word.
 * A name stands beside each, or is given to the element around it: to readers of the screen they say nothing.
 */

import { html, svg } from "./render.js";

/** @type {Record<string, unknown>} */
const ICONS = {
  schedules: svg`<path d="M2.5 4h7M2.5 8h4.5M2.5 12h3"/><circle cx="11" cy="10.5" r="3.25"/><path d="M11 8.9v1.7l1 .7"/>`,
  crons: svg`<path d="M13.5 8A5.5 5.5 0 1 1 11.6 3.9"/><path d="M13.5 2.5v2.6h-2.6M8 5v3.2l2 1.2"/>`,
  functions: svg`<path d="M6 2.5c-2 0-2 1-2 2.5s0 3-2 3c2 0 2 1.5 2 3s0 2.5 2 2.5M10 2.5c2 0 2 1 2 2.5s0 3 2 3c-2 0-2 1.5-2 3s0 2.5-2 2.5"/>`,
  errors: svg`<path d="M8 2 14 8l-6 6-6-6z"/><path d="M8 5.5v3M8 10.6v.1"/>`,
  data: svg`<rect x="2" y="3" width="12" height="10" rx="1.5"/><path d="M2 6.5h12M6.5 6.5V13"/>`,
  logs: svg`<path d="M2.5 4h11M2.5 8h8M2.5 12h10"/>`,
  live: svg`<circle cx="8" cy="8" r="1.5"/><path d="M4.8 11.2a4.5 4.5 0 0 1 0-6.4M11.2 4.8a4.5 4.5 0 0 1 0 6.4M2.7 13.3a7.5 7.5 0 0 1 0-10.6M13.3 2.7a7.5 7.5 0 0 1 0 10.6"/>`,
  health: svg`<path d="M1.5 8h3l1.5-4.5 3 9L10.8 8h3.7"/>`,
  more: svg`<path d="M3.5 8h.1M8 8h.1M12.5 8h.1" stroke-width="2.5"/>`,
  search: svg`<circle cx="7" cy="7" r="4.25"/><path d="m10.2 10.2 3.3 3.3"/>`,
  x: svg`<path d="m4 4 8 8M12 4l-8 8"/>`,
  plus: svg`<path d="M8 3v10M3 8h10"/>`,
  play: svg`<path d="M5 3.2v9.6L12.5 8z"/>`,
  pause: svg`<path d="M5.5 3.5v9M10.5 3.5v9"/>`,
  retry: svg`<path d="M3 8a5 5 0 1 0 1.7-3.7L3 5.8"/><path d="M3 2.8v3h3"/>`,
  down: svg`<path d="m4.5 6.5 3.5 3.5 3.5-3.5"/>`,
  right: svg`<path d="m6.5 4.5 3.5 3.5-3.5 3.5"/>`,
  left: svg`<path d="M9.5 4.5 6 8l3.5 3.5"/>`,
  copy: svg`<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2"/>`,
  sun: svg`<circle cx="8" cy="8" r="2.75"/><path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9"/>`,
  moon: svg`<path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z"/>`,
  auto: svg`<circle cx="8" cy="8" r="5.5"/><path d="M8 2.5v11a5.5 5.5 0 0 0 0-11z" fill="currentColor"/>`,
  lock: svg`<rect x="3.5" y="7" width="9" height="6.5" rx="1.5"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>`,
  cal: svg`<rect x="2.5" y="3.5" width="11" height="10" rx="1.5"/><path d="M2.5 6.8h11M5.5 2v2.5M10.5 2v2.5"/>`,
  info: svg`<circle cx="8" cy="8" r="5.5"/><path d="M8 7.5v3M8 5.3v.1"/>`,
  link: svg`<path d="M6.8 9.2a2.5 2.5 0 0 0 3.6 0l2.2-2.2a2.55 2.55 0 0 0-3.6-3.6l-.8.8M9.2 6.8a2.5 2.5 0 0 0-3.6 0L3.4 9a2.55 2.55 0 0 0 3.6 3.6l.8-.8"/>`,
  conflicts: svg`<path d="M1.5 8h5M4 5.5 6.5 8 4 10.5M14.5 8h-5M12 5.5 9.5 8l2.5 2.5"/>`,
  audit: svg`<path d="M4 2.5h8v11H4zM6.5 5.5h3M6.5 8h3M6.5 10.5h2"/>`,
  check: svg`<path d="m3.5 8.5 3 3 6-7"/>`,
  up: svg`<path d="m4.5 9.5 3.5-3.5 3.5 3.5"/>`,
  external: svg`<path d="M6.5 3.5h-3v9h9v-3M9 3h4v4M13 3 7.5 8.5"/>`,
  edit: svg`<path d="m3 13 .6-2.8 7.3-7.3 2.2 2.2-7.3 7.3z"/>`,
  trash: svg`<path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9"/>`,
  warning: svg`<path d="M8 2.5 14.5 13.5h-13z"/><path d="M8 6.5v3.2M8 11.6v.1"/>`,
  filter: svg`<path d="M2.5 3.5h11L9.3 8.6v3.9l-2.6 1V8.6z"/>`,
  key: svg`<circle cx="5.5" cy="10.5" r="3"/><path d="m7.7 8.3 5.3-5.3M10.5 5.5l2 2"/>`,
};

/** Each state has a silhouette of its own, so that it is known without colour. @type {Record<string, unknown>} */
const STATES = {
  pending: svg`<circle cx="7" cy="7" r="5.75" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M7 4v3.2l2 1.3" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round"/>`,
  inProgress: svg`<circle cx="7" cy="7" r="5.75" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M7 3.2a3.8 3.8 0 0 1 0 7.6z" fill="currentColor"/>`,
  success: svg`<path fill="currentColor" fill-rule="evenodd" d="M7 .5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zm3.5 4.4-1-1L6.1 7.4 4.5 5.9l-1 1L6.1 9.4z"/>`,
  failed: svg`<path fill="currentColor" fill-rule="evenodd" d="M7 0l7 7-7 7-7-7zM4.7 5.6 6.1 7 4.7 8.4l.9.9L7 7.9l1.4 1.4.9-.9L7.9 7l1.4-1.4-.9-.9L7 6.1 5.6 4.7z"/>`,
  canceled: svg`<circle cx="7" cy="7" r="5.75" fill="none" stroke="currentColor" stroke-width="1.4"/><path d="M4.3 7h5.4" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"/>`,
  conflict: svg`<path d="M1 7h4M3.5 4.5 6 7 3.5 9.5M13 7H9M10.5 4.5 8 7l2.5 2.5" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round"/>`,
};
/** @type {Record<string, string>} */
const WORDS = {
  pending: "Pending",
  inProgress: "In progress",
  success: "Success",
  failed: "Failed",
  canceled: "Canceled",
  skipped: "Skipped",
  conflict: "Conflict",
};

/** @param {string} name */
export const icon = (name) =>
  html`<svg class="i" viewBox="0 0 16 16" aria-hidden="true">${ICONS[name] ?? ICONS.info}</svg>`;

/** The shape of a state, without a word. @param {string} kind */
export function stateIcon(kind) {
  const shape = STATES[kind] ?? STATES.canceled;
  return html`<svg class=${`s state-${kind}`} viewBox="0 0 14 14" aria-hidden="true">${shape}</svg>`;
}

/** The shape and the word of a state. The word may be hidden where a head says it. @param {string} kind
 * @param {{ word?: unknown, isHidden?: boolean }} [options] */
export function state(kind, { word = WORDS[kind] ?? kind, isHidden = false } = {}) {
  return html`<span class=${`state ${kind}`}>${stateIcon(kind)}<span class=${isHidden ? "vh" : ""}>${word}</span></span>`;
}

/** The word of a state. @param {string} kind */
export const stateWord = (kind) => WORDS[kind] ?? kind;

/** The mark of convexpy. */
export const brandMark = html`<svg class="mark" viewBox="0 0 20 20" fill="currentColor" aria-hidden="true">
  <path d="M7.6 2C3.7 4.6 3.7 15.4 7.6 18c1.7-1.9 2.5-4.9 2.5-8S9.3 3.9 7.6 2z"/>
  <path d="M13 3.5c2.2 2.6 2.2 10.4 0 13 3.3-.7 4.8-3.6 4.8-6.5S16.3 4.2 13 3.5z" opacity=".45"/>
</svg>`;
