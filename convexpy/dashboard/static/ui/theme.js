/** Light, dark, or as the system. */

import { remember, remembered } from "./format.js";
import { icon } from "./icons.js";
import { html, signal } from "./render.js";

const THEMES = [
  { name: "system", label: "As the system", icon: "auto" },
  { name: "light", label: "Light", icon: "sun" },
  { name: "dark", label: "Dark", icon: "moon" },
];

export const theme = signal(remembered("theme") ?? "system");

/** @param {string} name */
export function setTheme(name) {
  theme.value = name;
  remember("theme", name);
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

/** The next of the three, for the palette. */
export function nextTheme() {
  const at = THEMES.findIndex(({ name }) => name === theme.peek());
  setTheme(THEMES[(at + 1) % THEMES.length].name);
}

/** The choice. Each place that shows it has a name of its own. @param {string} place */
export const themeChoice = (place) => html`
  <div class="seg theme" role="radiogroup" aria-label="Theme">
    ${THEMES.map(
      ({ name, label, icon: shape }) => html`
        <label title=${label}>${icon(shape)}
          <input class="vh" type="radio" name=${`theme-${place}`} .checked=${theme.value === name} @change=${() => setTheme(name)}>
          <span class="vh">${label}</span>
        </label>`,
    )}
  </div>`;
