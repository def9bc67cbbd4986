/**
 * What opens over the page and takes the focus until it is closed; then the focus goes back to where it was.
 *
 *     const close = openSheet((close) => html`…`, { title: "Reschedule 3 jobs" });
 *     if (await confirmNumber({ title: "Delete rows", text: "They cannot be brought back.", number: 41, button: "Delete 41 rows" })) …
 */

import { number as written } from "./format.js";
import { icon } from "./icons.js";
import { keys } from "./keys.js";
import { html, mount, signal } from "./render.js";
import { onClose as onPageClose } from "./scope.js";

let count = 0;

/**
 * @param {unknown | ((close: () => void) => unknown)} content a template, or a function of signals that makes one
 * @param {{ title: unknown, kind?: "side" | "small", onClose?: () => void }} options
 * @returns {() => void} what closes it
 */
export function openSheet(content, { title, kind = "side", onClose = () => {} }) {
  const id = `sheet-${++count}`;
  return openDialog(
    (close) => html`
      <header class="sheet-head">
        <h2 id=${id}>${title}</h2>
        <button type="button" class="btn quiet icon" aria-label="Close" @click=${close}>${icon("x")}</button>
      </header>
      <div class="sheet-body">${typeof content === "function" ? content(close) : content}</div>`,
    { className: `sheet ${kind}`, labelledBy: id, onClose },
  );
}

/**
 * A modal dialog without a frame.
 * @param {(close: () => void) => unknown} view
 * @param {{ className: string, label?: string, labelledBy?: string, onClose?: () => void }} options
 * @returns {() => void} what closes it
 */
export function openDialog(view, { className, label, labelledBy, onClose = () => {} }) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const dialog = document.createElement("dialog");
  dialog.className = className;
  if (label) dialog.setAttribute("aria-label", label);
  if (labelledBy) dialog.setAttribute("aria-labelledby", labelledBy);
  document.body.append(dialog);
  const unmount = mount(dialog, () => view(close));
  const removeKeys = keys({ Esc: () => close() }, { isModal: true });
  let isOpen = true;
  function close() {
    if (!isOpen) return;
    isOpen = false;
    removeKeys();
    document.body.append(...dialog.querySelectorAll(":scope > .toasts"));
    dialog.close();
    unmount();
    dialog.remove();
    if (before?.isConnected) before.focus({ preventScroll: true });
    onClose();
  }
  dialog.addEventListener("cancel", (event) => (event.preventDefault(), close()));
  dialog.addEventListener("mousedown", (event) => event.target === dialog && close()); // the ground around it
  dialog.showModal();
  onPageClose(close);
  return close;
}

/**
 * Asks for a number that is shown, before what cannot be undone. Resolves to whether it was typed.
 * @param {{ title: unknown, text: unknown, number: number, button: string }} options @returns {Promise<boolean>}
 */
export function confirmNumber({ title, text, number, button }) {
  const typed = signal("");
  return new Promise((resolve) => {
    let answer = false;
    const isRight = () => typed.value.replace(/[\s,]/g, "") === String(number);
    openSheet(
      (/** @type {() => void} */ close) => {
        const submit = (/** @type {Event} */ event) => {
          event.preventDefault();
          answer = isRight();
          if (answer) close();
        };
        return html`
          <form class="form" @submit=${submit}>
            <p class="soft">${text}</p>
            <label><span>Type ${written(number)} to go on</span>
              <input class="field" inputmode="numeric" autocomplete="off" .value=${typed.value}
                @input=${(/** @type {any} */ event) => (typed.value = event.target.value)}></label>
            <div class="row">
              <button class="btn danger" ?disabled=${!isRight()} title=${isRight() ? "" : "Type the number first"}>${button}</button>
              <button type="button" class="btn quiet" @click=${close}>Leave it</button>
            </div>
          </form>`;
      },
      { title, kind: "small", onClose: () => resolve(answer) },
    );
  });
}
