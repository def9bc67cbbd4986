/** What a page shows instead of its content: while it is loaded, as something failed, and where there is nothing. */

import { icon, stateIcon } from "./icons.js";
import { isPaused } from "./api.js";
import { html, nothing } from "./render.js";

/** Grey lines, after 300 ms. @param {number} [count] */
export const waitingLines = (count = 6) => html`
  <div class="waiting" aria-busy="true"><span class="vh">Loading</span>${Array.from({ length: count }, () => html`<i></i>`)}</div>`;

/** What failed, and a way to try again. @param {unknown} error @param {{ what?: string, again?: () => void }} [options] */
export function problem(error, { what = "This cannot be shown", again } = {}) {
  const message = error instanceof Error ? error.message : String(error);
  return html`
    <div class="problem" role="alert">
      <p class="state failed">${stateIcon("failed")}<strong>${what}</strong></p>
      <pre class="soft">${message}</pre>
      ${again ? html`<button type="button" class="btn" @click=${again}>${icon("retry")}Retry</button>` : nothing}
    </div>`;
}

/**
 * What a subscription shows: its value, its error, or grey lines.
 * @param {{ value: any, error: Error | undefined }} live @param {(value: any) => unknown} view @param {{ lines?: number }} [options]
 */
export function shown(live, view, { lines = 6 } = {}) {
  if (live.value !== undefined)
    return html`${live.error ? problem(live.error, { what: "This is no longer up to date" }) : nothing}${view(live.value)}`;
  return live.error ? problem(live.error) : waitingLines(lines);
}

/**
 * Teaches what belongs here: what it is, why it is useful, code to paste with the deciding line marked, one button.
 * @param {{ title: string, text: unknown, code?: string, marked?: string, button?: unknown }} options
 */
export function empty({ title, text, code = "", marked = "", button = nothing }) {
  const line = (/** @type {string} */ each) => {
    const isMarked = marked !== "" && each.includes(marked);
    return html`<span class=${`${isMarked ? "hl" : "line"} ${/^\s*(#|\$)/.test(each) ? "c" : ""}`}>${each || " "}</span>`;
  };
  return html`
    <div class="empty">
      <div>
        <h2>${title}</h2>
        <p>${text}</p>
        ${button === nothing ? nothing : html`<p class="row">${button}</p>`}
      </div>
      ${code
        ? html`<div class="code-box">${copyButton(code)}<pre class="code" tabindex="0">${code.split("\n").map(line)}</pre></div>`
        : nothing}
    </div>`;
}

/** @param {string} text */
export function copyButton(text) {
  const copy = (/** @type {any} */ event) => {
    const button = event.currentTarget;
    void navigator.clipboard?.writeText(text).then(() => {
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1_200);
    });
  };
  return html`<button type="button" class="btn quiet icon copy" aria-label="Copy" title="Copy" @click=${copy}
    >${icon("copy")}</button>`;
}

/** "Live", or "Paused", beside the title of a page. */
export function liveButton() {
  const isOff = isPaused.value;
  const turn = () => (isPaused.value = !isPaused.value);
  return html`
    <button type="button" class=${`btn quiet live ${isOff ? "is-off" : ""}`} aria-pressed=${!isOff}
      title=${isOff ? "Go on with live updates" : "Pause live updates"} @click=${turn}>
      ${isOff ? icon("pause") : html`<i class="dot accent"></i>`}${isOff ? "Paused" : "Live"} <kbd class="hide-narrow">p</kbd>
    </button>`;
}

/**
 * The head of a page: its title, "Live", and buttons at the right.
 * @param {unknown} title @param {{ note?: unknown, buttons?: unknown, isLive?: boolean }} [options]
 */
export const pageHead = (title, { note = nothing, buttons = nothing, isLive = true } = {}) => html`
  <div class="head">
    <h1>${title}</h1>
    ${note === nothing ? nothing : html`<span class="note-beside">${note}</span>`}
    ${isLive ? liveButton() : nothing}
    <div class="acts">${buttons}</div>
  </div>`;

/** Bring a panel into view that stands below its page, as it does where there is no room beside it. @param {Element} panel */
export function showPanel(panel) {
  if (matchMedia("(max-width: 1180px)").matches) panel.scrollIntoView({ block: "start" });
}
