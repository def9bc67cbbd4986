/** The sheet of all keys. */

import { hasSingleKeys, knownKeys, setSingleKeys } from "./keys.js";
import { html, keyed } from "./render.js";
import { openSheet } from "./sheet.js";

/** @param {string} key */
const pressed = (key) =>
  key.split(" ").map((each) => html`<kbd>${each.length === 1 ? each : each.replace("Arrow", "")}</kbd>`);

export function openKeys() {
  const known = knownKeys();
  const isOn = (/** @type {any} */ event) => setSingleKeys(event.target.checked);
  openSheet(
    () => html`
      <dl class="key-list">
        ${keyed(
          known,
          ({ key }) => key,
          ({ key, label }) => html`<div><dt class="keys">${pressed(key)}</dt><dd>${label}</dd></div>`,
        )}
      </dl>
      <label class="check"><input type="checkbox" class="box" .checked=${hasSingleKeys.value} @change=${isOn}> Keys of one letter work</label>`,
    { title: "Keys", kind: "small" },
  );
}
