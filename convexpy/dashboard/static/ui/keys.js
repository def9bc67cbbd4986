/**
 * Keys of the page that is open.
 *
 *     keys({ r: () => retry(), "Ctrl Enter": { label: "Run", run: () => run() }, "g s": () => go("/schedules") });
 *
 * A key is what `KeyboardEvent.key` says, letters small, after `Ctrl`, `Alt` and `Shift`: `Shift x`, `?`, `ArrowDown`,
 * `Esc`, `Space`. Two keys after each other have a space between them. Ctrl is Cmd as well. Keys without Ctrl or Alt do
 * nothing while one types, and those of one letter can be switched off. What was added last comes first.
 */

import { remember, remembered } from "./format.js";
import { signal } from "./render.js";
import { onClose } from "./scope.js";

/** @typedef {(event: KeyboardEvent) => unknown} KeyAction what returns false leaves the key to others */
/** @typedef {Record<string, KeyAction | { label: string, run: KeyAction }>} KeyMap */
/** @typedef {{ map: KeyMap, isModal: boolean }} Layer */

const SEQUENCE_MS = 1_200;
const USUAL = /** @type {Record<string, string>} */ ({
  "/": "Filter",
  j: "Next line",
  k: "Previous line",
  Enter: "Open",
  Esc: "Close, or a step back",
  x: "Select",
  "Shift x": "Select up to here",
  n: "New job, new row",
  r: "Retry, or run now",
  c: "Cancel the selected, after a count",
  z: "Undo",
  p: "Pause or go on",
  ".": "Show what is new",
  u: "UTC or local time",
  "Ctrl Enter": "Run dry, save",
});

const layers = /** @type {Layer[]} */ ([]);
let first = ""; // of a sequence
let timer = 0;

/** Whether keys of one letter work. */
export const hasSingleKeys = signal(remembered("keys") !== "off");

/** @param {boolean} isOn */
export function setSingleKeys(isOn) {
  hasSingleKeys.value = isOn;
  remember("keys", isOn ? "on" : "off");
}

/**
 * Add keys, until the page that is being opened is left, or what is returned is called.
 * @param {KeyMap} map @param {{ isModal?: boolean }} [options] with `isModal`, no others work meanwhile
 * @returns {() => void}
 */
export function keys(map, { isModal = false } = {}) {
  const layer = { map, isModal };
  layers.push(layer);
  const remove = () => {
    const at = layers.indexOf(layer);
    if (at >= 0) layers.splice(at, 1);
  };
  onClose(remove);
  return remove;
}

/** All keys that work now, with what they do. @returns {{ key: string, label: string }[]} */
export function knownKeys() {
  const known = new Map();
  for (const { map } of layers) {
    for (const [key, action] of Object.entries(map)) {
      known.set(key, typeof action === "function" ? (USUAL[key] ?? "") : action.label);
    }
  }
  return [...known].filter(([, label]) => label).map(([key, label]) => ({ key, label }));
}

/** The name of what was pressed. @param {KeyboardEvent} event */
export function nameOf(event) {
  const { key } = event;
  const name = { " ": "Space", Escape: "Esc" }[key] ?? (key.length === 1 ? key.toLowerCase() : key);
  const isLetter = key.toLowerCase() !== key.toUpperCase();
  const hasShift = event.shiftKey && (isLetter || key.length > 1);
  return [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt", hasShift && "Shift", name]
    .filter(Boolean)
    .join(" ");
}

/** Whether a key belongs to the element that has the focus. @param {KeyboardEvent} event */
function isTaken(event) {
  const target = /** @type {HTMLElement | null} */ (event.target instanceof HTMLElement ? event.target : null);
  if (!target || event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape") return false;
  const isField =
    target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])");
  const isPressed =
    (event.key === "Enter" || event.key === " ") && target.matches("a, button, summary, input, [role=option]");
  return isField || isPressed;
}

/** @param {string} name @returns {KeyAction[]} */
function actionsOf(name) {
  const found = [];
  for (const { map, isModal } of [...layers].reverse()) {
    const action = map[name];
    if (action) found.push(typeof action === "function" ? action : action.run);
    if (isModal) break;
  }
  return found;
}

/** @param {string} prefix */
function beginsSequence(prefix) {
  if (layers.some(({ isModal }) => isModal)) return false;
  return layers.some(({ map }) => Object.keys(map).some((key) => key.startsWith(`${prefix} `)));
}

/** @param {KeyboardEvent} event */
function onKeyDown(event) {
  if (event.defaultPrevented || event.isComposing || isTaken(event)) return;
  const pressed = nameOf(event);
  if (!hasSingleKeys.peek() && /^(Shift )?.$/u.test(pressed)) return;
  const name = first ? `${first} ${pressed}` : pressed;
  clearTimeout(timer);
  first = "";
  for (const action of actionsOf(name)) {
    if (action(event) === false) continue;
    event.preventDefault();
    return;
  }
  if (!beginsSequence(pressed) || /^(Ctrl|Alt|Shift)$/.test(pressed)) return;
  first = pressed;
  timer = window.setTimeout(() => (first = ""), SEQUENCE_MS);
}

addEventListener("keydown", onKeyDown);
