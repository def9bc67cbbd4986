/** JSON as one reads it: `jsonView(value)` in lines and colours, `jsonLine(value)` in one line of a cell. */

import { html } from "./render.js";

const LONGEST = 3_000; // pieces; what is beyond is counted

/** A value of the protocol as JSON has it. @param {unknown} value */
function plain(value) {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof ArrayBuffer) return `<${value.byteLength.toLocaleString("en-US")} bytes>`;
  if (value === undefined) return null;
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** @param {unknown} value @param {{ label?: string }} [options] */
export function jsonView(value, { label = "JSON" } = {}) {
  const pieces = /** @type {{ kind: string, text: string }[]} */ ([]);
  let left = 0;
  const put = (/** @type {string} */ kind, /** @type {string} */ text) => {
    if (pieces.length < LONGEST) pieces.push({ kind, text });
    else left++;
  };
  write(value, "", put);
  if (left > 0) pieces.push({ kind: "p", text: `\n… ${left.toLocaleString("en-US")} more pieces` });
  const shown = pieces.map(({ kind, text }) => html`<span class=${kind}>${text}</span>`);
  return html`<pre class="json" tabindex="0" role="group" aria-label=${label}>${shown}</pre>`;
}

/** @param {unknown} held @param {string} indent @param {(kind: string, text: string) => void} put */
function write(held, indent, put) {
  const value = plain(held);
  if (typeof value === "string") return put("s", JSON.stringify(value));
  if (value === null || typeof value !== "object") return put("n", String(value));
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return put("p", isList ? "[]" : "{}");
  const deeper = `${indent}  `;
  put("p", isList ? "[\n" : "{\n");
  for (const [at, [name, each]] of entries.entries()) {
    put("p", deeper);
    if (!isList) {
      put("k", JSON.stringify(name));
      put("p", ": ");
    }
    write(each, deeper, put);
    put("p", at < entries.length - 1 ? ",\n" : "\n");
  }
  put("p", indent + (isList ? "]" : "}"));
}

/** The text of a value. @param {unknown} value @param {number} [indent] @returns {string} */
export const jsonText = (value, indent = 2) => JSON.stringify(value, (_, each) => plain(each), indent) ?? "null";

/** One line, for a cell: `{"order_id": "9f2c41d0…"}`. @param {unknown} value @param {number} [longest] in letters */
export function jsonLine(value, longest = 200) {
  const text = oneLine(value, longest);
  return html`<span class="mono dim">${text.length > longest ? `${text.slice(0, longest)}…` : text}</span>`;
}

/** @param {unknown} held @param {number} room @returns {string} */
function oneLine(held, room) {
  const value = plain(held);
  if (value === null || typeof value !== "object") {
    const text = JSON.stringify(value) ?? "null";
    return text.length > room ? `${text.slice(0, room)}…` : text;
  }
  const isList = Array.isArray(value);
  let text = "";
  for (const [name, each] of Object.entries(value)) {
    if (text.length > room) break;
    text += `${text ? ", " : ""}${isList ? "" : `${JSON.stringify(name)}: `}${oneLine(each, room - text.length)}`;
  }
  return isList ? `[${text}]` : `{${text}}`;
}
