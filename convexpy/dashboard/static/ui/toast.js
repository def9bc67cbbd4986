/**
 * What happened, for a few seconds, with a way back: `toast({ text: "3 jobs canceled", undo: () => mutation(…) })`.
 * There is one at a time. It waits while the pointer or the focus is on it.
 */

import { icon, stateIcon } from "./icons.js";
import { keys } from "./keys.js";
import { html, mount, nothing, signal } from "./render.js";

/** @typedef {{ text: unknown, state?: string, undo?: () => unknown, seconds?: number }} ToastOptions */
/** @typedef {ToastOptions & { id: number, left: number, seconds: number, isUndoing?: boolean }} Toast */

const shown = signal(/** @type {Toast | null} */ (null));
let isHeld = false;
let count = 0;

setInterval(() => {
  const now = shown.peek();
  if (!now || isHeld || now.isUndoing) return;
  shown.value = now.left > 1 ? { ...now, left: now.left - 1 } : null;
}, 1_000);

/** @param {ToastOptions} options @returns {{ update(text: unknown): void, close(): void }} */
export function toast(options) {
  const seconds = options.seconds ?? (options.undo ? 10 : 5);
  const id = ++count;
  const change = (/** @type {Toast | null} */ changed) => void (shown.peek()?.id === id && (shown.value = changed));
  shown.value = { ...options, id, seconds, left: seconds };
  isHeld = false;
  // Outside of a sheet that is open nothing can be pressed, nor is it read aloud. See openDialog, which gives it back.
  (document.querySelector("dialog:modal") ?? document.body).append(region);
  return {
    update: (text) => change({ ...options, text, id, seconds, left: seconds }),
    close: () => change(null),
  };
}

/** Say that something failed, as the server says it. @param {unknown} error @param {string} [what] */
export function failed(error, what = "") {
  const message = error instanceof Error ? error.message : String(error);
  toast({ text: what ? `${what}: ${message}` : message, state: "failed", seconds: 10 });
}

/** Do something, and say so where it fails. @param {() => unknown} run @param {string} [what] */
export async function trying(run, what) {
  try {
    return await run();
  } catch (error) {
    failed(error, what);
  }
}

export async function undo() {
  const now = shown.peek();
  if (!now?.undo || now.isUndoing) return false;
  shown.value = { ...now, isUndoing: true };
  try {
    await now.undo();
    toast({ text: "Undone", state: "success", seconds: 3 });
  } catch (error) {
    failed(error, "It could not be undone");
  }
}

keys({ z: { label: "Undo", run: () => (shown.peek()?.undo ? void undo() : false) } });

const region = document.createElement("div");

/** Show toasts in the page, from now on. */
export function mountToasts() {
  Object.assign(region, { className: "toasts", role: "status", ariaLive: "polite" });
  document.body.append(region);
  mount(region, view);
}

function view() {
  const now = shown.value;
  const hold = (/** @type {boolean} */ value) => () => (isHeld = value);
  const close = () => (shown.value = null);
  const box = () => html`
    <div class="toast" @mouseenter=${hold(true)} @mouseleave=${hold(false)} @focusin=${hold(true)} @focusout=${hold(false)}>
      ${now?.state ? html`<span class=${`state ${now.state}`}>${stateIcon(now.state)}</span>` : nothing}
      <span class="toast-text">${now?.text}</span>
      ${
        now?.undo
          ? html`<button type="button" class="btn quiet accent" ?disabled=${now.isUndoing} @click=${undo}>Undo <kbd>z</kbd></button>
            <span class="left" aria-hidden="true">${now.left} s</span>`
          : html`<button type="button" class="btn quiet icon" aria-label="Close" @click=${close}>${icon("x")}</button>`
      }
      <span class="rest" style=${{ "--left": String((now?.left ?? 0) / (now?.seconds || 1)) }}></span>
    </div>`;
  return now ? box() : nothing;
}
