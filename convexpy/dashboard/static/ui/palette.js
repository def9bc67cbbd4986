/**
 * The command palette: pages, commands, functions (`:`), jobs by their id (`#`), tables and rows (`@orders ada`).
 * What it offers is found in ui/palette_entries.js.
 */

import { icon } from "./icons.js";
import { openKeys } from "./key_sheet.js";
import { computed, effect, html, keyed, nothing, signal } from "./render.js";
import { entriesFor } from "./palette_entries.js";
import { openDialog } from "./sheet.js";

/** @import { Entry } from "./palette_entries.js" */

const PAUSE_MS = 120; // after a letter, before the server is asked
let isOpen = false;

/** @param {string} [text] what stands in it already, such as `#` */
export function openPalette(text = "") {
  if (isOpen) return;
  isOpen = true;
  const typed = signal(text);
  const entries = signal(/** @type {Entry[]} */ ([]));
  const chosen = signal(0);
  const groups = computed(() => Object.entries(Object.groupBy(entries.value, ({ group }) => group)));
  let asked = 0;
  let timer = 0;
  const stop = effect(() => {
    const wanted = typed.value;
    const number = ++asked;
    const { now, later } = entriesFor(wanted);
    entries.value = now;
    chosen.value = 0;
    clearTimeout(timer);
    timer = window.setTimeout(async () => {
      const more = await later();
      if (number === asked && more.length > 0) entries.value = [...now, ...more];
    }, PAUSE_MS);
  });
  const close = openDialog(view, { className: "palette", label: "Command palette", onClose });

  function onClose() {
    isOpen = false;
    stop();
    clearTimeout(timer);
  }

  /** @param {Entry | undefined} entry @param {boolean} [isSecond] */
  function run(entry, isSecond = false) {
    if (!entry) return;
    if (entry.text !== undefined) {
      typed.value = entry.text;
      return;
    }
    const action = isSecond && entry.second ? entry.second.run : entry.run;
    close();
    void action?.();
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const count = ordered().length;
    const to = { ArrowDown: chosen.value + 1, ArrowUp: chosen.value - 1 }[event.key];
    if (to !== undefined && count > 0) chosen.value = (to + count) % count;
    else if (event.key === "Enter") run(ordered()[chosen.value], event.ctrlKey || event.metaKey);
    else if (event.key === "?" && typed.value === "") return (close(), event.preventDefault(), openKeys());
    else return;
    event.preventDefault();
    document.getElementById(`palette-${chosen.value}`)?.scrollIntoView({ block: "nearest" });
  }

  function ordered() {
    return groups.value.flatMap(([, each]) => each ?? []);
  }

  function view() {
    const all = ordered();
    const active = all.length > 0 ? `palette-${chosen.value}` : nothing;
    return html`
      <div class="q">
        ${icon("search")}
        <input type="text" role="combobox" aria-label="Search or run a command" aria-expanded="true" aria-controls="palette-list"
          aria-autocomplete="list" aria-activedescendant=${active} autocomplete="off" spellcheck="false" autofocus
          placeholder="Search or run a command" .value=${typed.value} @keydown=${onKeyDown}
          @input=${(/** @type {any} */ event) => (typed.value = event.target.value)}>
        <kbd aria-hidden="true">Esc</kbd>
      </div>
      <div class="found" id="palette-list" role="listbox" aria-label="What is found">
        ${all.length === 0 ? html`<p class="none" role="option" aria-disabled="true" aria-selected="false">Nothing is found.</p>` : nothing}
        ${keyed(
          groups.value,
          ([name]) => name,
          ([name, each]) => html`
          <div role="group" aria-label=${name}><h3 aria-hidden="true">${name}</h3>${keyed(
            each ?? [],
            ({ id }) => id,
            (entry) => option(entry, all.indexOf(entry)),
          )}</div>`,
        )}
      </div>
      <footer aria-hidden="true">
        <span><span class="keys"><kbd>↑</kbd><kbd>↓</kbd></span> choose</span><span><span class="keys"><kbd>↵</kbd></span> open</span>
        <span><kbd>:</kbd> functions</span><span><kbd>#</kbd> jobs</span><span><kbd>@</kbd> tables, rows</span>
        <span class="push"><kbd>?</kbd> all keys</span>
      </footer>`;
  }

  /** @param {Entry} entry @param {number} at */
  function option(entry, at) {
    const isChosen = at === chosen.value;
    return html`
      <div class="option" role="option" id=${`palette-${at}`} aria-selected=${isChosen} @click=${() => run(entry)}
        @pointermove=${() => (chosen.value = at)}>
        ${entry.icon}<span class="what">${entry.view}</span>
        <span class="push">${entry.hint ?? nothing}${
          isChosen && entry.second
            ? html` Open <kbd>↵</kbd> ${entry.second.label} <span class="keys"><kbd>Ctrl</kbd><kbd>↵</kbd></span>`
            : nothing
        }</span>
      </div>`;
  }
}
