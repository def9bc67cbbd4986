/** A traceback: each error with its frames, those of the app's own code in full, the others folded. */

import { icon } from "./icons.js";
import { plural } from "./format.js";
import { html, nothing } from "./render.js";

/** @typedef {{ file: string, line: number, function: string, code: string, isOwn: boolean }} Frame */
/** @typedef {{ frames: Frame[], text: string, link: string | null }} RaisedError as `_system/traceback.py` gives it */

/** @param {RaisedError[]} errors the cause before what it caused */
export const traceback = (errors) => html`<div class="traceback">${errors.map(raised)}</div>`;

/** @param {RaisedError} error */
function raised(error) {
  return html`
    ${error.link ? html`<p class="trace-link dim">${error.link}</p>` : nothing}
    <ol class="frames">${folded(error.frames).map((part) => (Array.isArray(part) ? others(part) : html`<li>${frame(part)}</li>`))}</ol>
    <pre class="raised" tabindex="0">${error.text}</pre>`;
}

/** Frames of other code that follow each other are one part. @param {Frame[]} frames @returns {(Frame | Frame[])[]} */
function folded(frames) {
  const parts = /** @type {(Frame | Frame[])[]} */ ([]);
  for (const each of frames) {
    const last = parts.at(-1);
    if (each.isOwn) parts.push(each);
    else if (Array.isArray(last)) last.push(each);
    else parts.push([each]);
  }
  return parts;
}

/** @param {Frame[]} frames */
const others = (frames) => html`
  <li>
    <details>
      <summary>${icon("right")}${plural(frames.length, "frame")} of the framework and of libraries</summary>
      ${frames.map(frame)}
    </details>
  </li>`;

/** @param {Frame} given */
const frame = ({ file, line, function: name, code, isOwn }) => html`
  <div class=${isOwn ? "trace-frame own" : "trace-frame"}>
    <p><b>${file}</b><span class="dim">, line ${line}, in </span><b>${name}</b></p>
    ${code ? html`<code>${code}</code>` : nothing}
  </div>`;
