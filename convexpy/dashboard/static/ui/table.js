/**
 * A long list: only the lines in view exist. Lines have columns, a focus that `j` and `k` move, a selection, and a place
 * that live data does not take from them while the pointer or the focus is on the list, or something is selected.
 *
 *     const jobs = table({
 *       label: "Jobs",
 *       columns: [
 *         { id: "state", title: "State", width: 116, place: "state", view: (job) => state(job.state.kind) },
 *         { id: "name", title: "Function", width: 236, place: "what", view: (job) => functionName(job.name) },
 *         { id: "args", title: "Arguments", view: (job) => jsonLine(job.args) },     // no width: what is left
 *       ],
 *       groups: () => [{ id: "pending", title: "Pending", note: "312, soonest first", items: pending.value ?? [] }],
 *       key: (job) => job.id,
 *       href: (job) => link(`/job/${job.id}`),
 *       isSelectable: true,
 *     });                                   // in the page's open(); then `${jobs.view()}` in what it renders
 *     jobs.selected.value                   // a Set of keys; jobs.selectedItems(), jobs.clear()
 */

import { visit } from "./address.js";
import { number, plural } from "./format.js";
import { keys } from "./keys.js";
import { batch, computed, effect, html, keyed, nothing, signal } from "./render.js";
import { onClose } from "./scope.js";
import { bound, cell, columnHead, lineHeight, narrow, scrollerOf } from "./table_parts.js";

/**
 * @typedef {object} Column
 * @property {string} id
 * @property {unknown} title
 * @property {(item: any) => unknown} view
 * @property {number} [width] in pixels; without one it takes what is left, as the last should
 * @property {boolean} [isNumber] at the right
 * @property {string} [className] of its cells
 * @property {"what" | "state" | "when" | "size"} [place] where it stands in the two lines of a narrow screen
 * @property {"ascending" | "descending" | "none"} [sorted]
 * @property {() => void} [onSort] its head is a button
 */
/** @typedef {{ id: string, title?: unknown, note?: unknown, items: readonly any[] }} Group */
/**
 * @typedef {object} Options
 * @property {string} label
 * @property {Column[] | (() => Column[])} columns
 * @property {() => Group[]} groups a function of signals
 * @property {(item: any) => string} key
 * @property {(item: any) => string} [href] where a line leads
 * @property {(item: any) => void} [onOpen] instead of it
 * @property {(item: any) => string} [name] of the line, for its checkbox
 * @property {boolean} [isSelectable]
 * @property {(item: any) => unknown} [stateOf] its line is tinted as this changes
 * @property {(item: any) => string} [lineClass]
 * @property {() => unknown} [context] the filter and the like: as it changes, all lines may change their places
 * @property {() => boolean} [isLoading] whether what `groups` gives is still that of the context before
 * @property {() => void} [onEnd] called as the end comes into view
 */
/** @typedef {{ id: string, top: number, height: number, group?: Group, key?: string }} Entry */

const HEAD = 36; // the height of a group's head, and the room for the head of the list
const CHECK = 26;
const MORE = 12; // lines above and below those in view
const NEW_MS = 1_200;
const CHANGED_MS = 600;
const PRESS_MS = 450; // a finger that stays so long selects

/** @param {Options} options */
export const table = (options) => new List(options);

export class List {
  /** The keys of the selected lines. */
  selected = signal(/** @type {Set<string>} */ (new Set()));
  /** The key of the line that has the focus, or had it last. */
  focused = signal("");
  /** How many lines wait to be put in. */
  waiting = signal(0);
  #options;
  #shown = signal(/** @type {Group[]} */ ([])); // in the order in which they are shown; items as keys
  #items = signal(/** @type {Map<string, any>} */ (new Map()));
  #isBusy = signal({ pointer: false, focus: false });
  #arrived = /** @type {Map<string, number>} */ (new Map()); // when, to tint new lines
  #changed = /** @type {Map<string, number>} */ (new Map());
  #gone = signal(/** @type {Set<string>} */ (new Set()));
  #context = /** @type {unknown} */ (undefined);
  #acceptsAll = true;
  #anchor = "";
  #endAt = -1;
  #detach = () => {};
  #press = 0;
  #pressed = "";
  #element = /** @type {HTMLElement | null} */ (null);
  #scroller = /** @type {HTMLElement | null} */ (null);
  #view = signal({ top: 0, height: 900 });
  #size = signal({ width: 1200, isNarrow: narrow.matches, line: lineHeight() });
  #entries = computed(() => this.#layOut());
  #isRestless = computed(() => this.#isBusy.value.pointer || this.#isBusy.value.focus || this.selected.value.size > 0);

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
    onClose(effect(() => this.#take(options.groups())));
    onClose(() => this.#detach());
    const step = (/** @type {number} */ by) => () => this.#move(by);
    keys({ j: step(1), k: step(-1), ArrowDown: step(1), ArrowUp: step(-1), Enter: () => this.#openFocused() });
    if (options.isSelectable) {
      keys({ x: () => this.#toggle(this.focused.peek()), "Shift x": () => this.#selectTo(this.focused.peek()) });
      keys({ Esc: () => this.selected.peek().size > 0 && void this.clear() });
    }
    keys({ ".": () => this.waiting.peek() > 0 && void this.putIn() });
  }

  /** The selected lines. @returns {any[]} */
  selectedItems() {
    return [...this.selected.value].map((key) => this.#items.value.get(key)).filter((item) => item !== undefined);
  }

  /** Select nothing. */
  clear() {
    this.selected.value = new Set();
  }

  /** Put the lines that wait in their places. */
  putIn() {
    this.#acceptsAll = true;
    this.#take(this.#options.groups());
  }

  /** Take what the server says: new values at once, new places only where nothing holds the old ones. @param {Group[]} groups */
  #take(groups) {
    const { key, stateOf, context, isLoading } = this.#options;
    const found = context?.();
    if (found !== this.#context) {
      this.#acceptsAll = true;
      if (this.#context !== undefined) this.clear();
    }
    this.#context = found;
    const before = this.#items.peek();
    const order = groups.map((group) => ({ ...group, items: group.items.map(key) }));
    const items = new Map(groups.flatMap((group) => group.items.map((item) => [key(item), item])));
    const time = performance.now();
    for (const [id, item] of items) {
      const old = before.get(id);
      if (old === undefined) this.#arrived.set(id, this.#acceptsAll ? -NEW_MS : time);
      else if (stateOf && stateOf(old) !== stateOf(item)) this.#changed.set(id, time);
    }
    batch(() => {
      if (this.#acceptsAll || !this.#isRestless.value) {
        this.#items.value = items;
        this.#shown.value = order;
        this.#gone.value = new Set();
        this.waiting.value = 0;
        if (!isLoading?.()) this.#acceptsAll = false;
      } else {
        const kept = this.#shown.peek().flatMap((group) => group.items);
        const tail = tailOf(order, this.#shown.peek());
        const shown = new Set([...kept, ...tail]);
        this.#gone.value = new Set(kept.filter((id) => !items.has(id)));
        this.waiting.value = [...items.keys()].filter((id) => !shown.has(id)).length;
        this.#items.value = new Map([
          ...[...this.#gone.peek()].map((id) => /** @type {[string, any]} */ ([id, before.get(id)])),
          ...items,
        ]);
        const heads = new Map(order.map((group) => [group.id, group]));
        this.#shown.value = this.#shown
          .peek()
          .map((group, at, all) => ({
            ...group,
            items: at === all.length - 1 ? [...group.items, ...tail] : group.items,
            title: heads.get(group.id)?.title ?? group.title,
            note: heads.get(group.id)?.note ?? group.note,
          }));
      }
    });
    for (const id of this.#arrived.keys()) if (!this.#items.peek().has(id) && !items.has(id)) this.#arrived.delete(id);
  }

  /** @returns {{ entries: Entry[], height: number, keys: string[] }} */
  #layOut() {
    const { line } = this.#size.value;
    const entries = /** @type {Entry[]} */ ([]);
    let top = 0;
    const add = (/** @type {Omit<Entry, "top">} */ entry) => {
      entries.push({ ...entry, top });
      top += entry.height;
    };
    for (const group of this.#shown.value) {
      if (group.title !== undefined && group.items.length > 0) add({ id: `head ${group.id}`, height: HEAD, group });
      for (const key of group.items) add({ id: `line ${key}`, height: line, key });
    }
    return { entries, height: top, keys: entries.flatMap(({ key }) => (key === undefined ? [] : [key])) };
  }

  /** The columns for which there is room: they give up from the right, the last one and the first excepted. */
  #columns() {
    const { columns } = this.#options;
    const all = typeof columns === "function" ? columns() : columns;
    const { width, isNarrow } = this.#size.value;
    if (isNarrow) return all.filter(({ place }) => place);
    const kept = [...all];
    const needed = () =>
      kept.reduce((sum, column) => sum + (column.width ?? 160), this.#options.isSelectable ? CHECK : 0);
    while (needed() > width && kept.length > 2) kept.splice(kept.length - 2, 1);
    return kept;
  }

  view() {
    const { entries, height } = this.#entries.value;
    const { top, height: seen } = this.#view.value;
    const { isNarrow } = this.#size.value;
    const columns = this.#columns();
    const { isSelectable, label } = this.#options;
    const [first, last] = [bound(entries, top) - MORE, bound(entries, top + seen) + MORE];
    const inView = entries.slice(Math.max(0, first), last);
    const tracks = columns.map(({ width }) => (width ? `${width}px` : "minmax(0, 1fr)"));
    if (isSelectable) tracks.unshift(`${CHECK}px`);
    const places = isNarrow ? "" : tracks.join(" ");
    return html`
      <div class="list-box">
        <div class="list-new" role="status">${this.#newButton()}</div>
        <div class=${`list ${isNarrow ? "two-lines" : ""}`} role="grid" aria-label=${label} aria-rowcount=${entries.length + 1}
          aria-multiselectable=${isSelectable ? "true" : nothing} style=${{ "--columns": places }} ref=${this.#attach}>
          <div class="list-head" role="row" aria-rowindex="1">
            ${isSelectable ? html`<span role="columnheader" class="list-check">${this.#allBox()}</span>` : nothing}
            ${keyed(columns, ({ id }) => id, columnHead)}
          </div>
          <div class="list-body" role="rowgroup" style=${{ height: `${height}px` }}
            @focusin=${this.#onFocusIn} @focusout=${this.#onFocusOut}
            @pointerenter=${this.#onPointer(true)} @pointerleave=${this.#onPointer(false)}>
            ${keyed(
              inView,
              ({ id }) => id,
              (entry, at) => this.#entry(entry, at + Math.max(0, first) + 2, columns),
            )}
          </div>
        </div>
      </div>`;
  }

  #newButton() {
    const count = this.waiting.value;
    if (count === 0) return nothing;
    const putIn = () => this.putIn();
    return html`<button type="button" class="btn accent" @click=${putIn}>${number(count)} new <kbd>.</kbd></button>`;
  }

  #allBox() {
    const all = this.#entries.value.keys;
    const count = this.selected.value.size;
    const turn = () => (this.selected.value = count > 0 ? new Set() : new Set(all));
    return html`<input type="checkbox" class="box" aria-label="Select all shown" .checked=${count > 0 && count >= all.length}
      .indeterminate=${count > 0 && count < all.length} @change=${turn}>`;
  }

  /** @param {Entry} entry @param {number} row @param {Column[]} columns */
  #entry({ top, height, group, key }, row, columns) {
    const place = { top: `${top}px`, height: `${height}px` };
    if (group) {
      return html`<div class="list-group" role="row" aria-rowindex=${row} style=${place}>
        <span role="rowheader">${group.title}<span class="dim">${group.note}</span></span></div>`;
    }
    const id = /** @type {string} */ (key);
    const item = this.#items.value.get(id);
    const { isSelectable, name, lineClass } = this.#options;
    const isSelected = this.selected.value.has(id);
    const [age, changed] = [this.#arrived, this.#changed].map(
      (times) => performance.now() - (times.get(id) ?? -Infinity),
    );
    const marks = [
      isSelected && "sel",
      this.#gone.value.has(id) && "gone",
      age < NEW_MS && "new",
      changed < CHANGED_MS && "changed",
    ];
    const press = this.#onPress(id);
    const check = (/** @type {any} */ event) => (event.shiftKey ? this.#selectTo(id) : this.#toggle(id));
    return html`
      <div class=${`list-line ${marks.filter(Boolean).join(" ")} ${lineClass?.(item) ?? ""}`} role="row"
        aria-rowindex=${row} aria-selected=${isSelectable ? isSelected : nothing}
        tabindex=${this.#isTabStop(id) ? 0 : -1} data-key=${id} style=${place}
        @click=${(/** @type {MouseEvent} */ event) => this.#onClick(event, item)} @focus=${() => (this.focused.value = id)}
        @pointerdown=${press} @pointerup=${press} @pointercancel=${press} @contextmenu=${this.#onMenu}>
        ${
          isSelectable
            ? html`<span role="gridcell" class="list-check"><input type="checkbox" class="box" tabindex="-1"
              aria-label=${`Select ${name?.(item) ?? ""}`} .checked=${isSelected} @click=${check}></span>`
            : nothing
        }
        ${keyed(
          columns,
          (column) => column.id,
          (column) => cell(column, item),
        )}
      </div>`;
  }

  /** @param {string} id */
  #isTabStop(id) {
    const { keys: all } = this.#entries.value;
    return id === (this.#items.value.has(this.focused.value) ? this.focused.value : all[0]);
  }

  /** @param {MouseEvent} event @param {any} item */
  #onClick(event, item) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("a, button, input, label") || getSelection()?.toString()) return;
    const { href, key, isSelectable } = this.#options;
    const wasPressed = this.#pressed === key(item);
    this.#pressed = "";
    if (wasPressed) return;
    if (isSelectable && this.#size.peek().isNarrow && this.selected.peek().size > 0) return void this.#toggle(key(item));
    if (href && (event.ctrlKey || event.metaKey)) window.open(href(item), "_blank", "noopener");
    else this.#open(item);
  }

  /** @param {any} item */
  #open(item) {
    const { href, onOpen } = this.#options;
    if (onOpen) onOpen(item);
    else if (href) visit(href(item));
  }

  #openFocused() {
    const item = this.#items.peek().get(this.focused.peek());
    if (item === undefined || !this.#element?.contains(document.activeElement)) return false;
    this.#open(item);
  }

  /** From the line that has the focus; without one, to the last that had it or to the first in view. @param {number} by */
  #move(by) {
    const { keys: all, entries } = this.#entries.peek();
    if (all.length === 0) return false;
    const at = all.indexOf(this.focused.peek());
    if (at >= 0 && this.#element?.querySelector(".list-body")?.contains(document.activeElement)) {
      return this.focus(all[Math.max(0, Math.min(all.length - 1, at + by))]);
    }
    const { scrollTop = 0, clientHeight = 0 } = this.#scroller ?? {};
    const top = scrollTop - this.#offset();
    const seen = entries.filter((entry) => entry.key !== undefined && entry.top >= top && entry.top < top + clientHeight);
    this.focus(seen.find(({ key }) => key === this.focused.peek())?.key ?? seen[0]?.key ?? all[0]);
  }

  /** Give a line the focus, and bring it into view. @param {string} key */
  focus(key) {
    const entry = this.#entries.peek().entries.find((each) => each.key === key);
    if (!entry || !this.#scroller || !this.#element) return;
    this.focused.value = key;
    const offset = this.#offset() + HEAD;
    const { scrollTop, clientHeight } = this.#scroller;
    if (entry.top + offset < scrollTop + HEAD) this.#scroller.scrollTop = entry.top + offset - HEAD;
    const bottom = entry.top + entry.height + offset;
    if (bottom > scrollTop + clientHeight - 8) this.#scroller.scrollTop = bottom - clientHeight + 8;
    this.#onScroll();
    setTimeout(() => {
      const line = /** @type {HTMLElement | null} */ (this.#element?.querySelector(`[data-key="${CSS.escape(key)}"]`));
      line?.focus({ preventScroll: true });
    });
  }

  /** @param {string} key */
  #toggle(key) {
    if (!this.#items.peek().has(key)) return false;
    const chosen = new Set(this.selected.peek());
    if (!chosen.delete(key)) chosen.add(key);
    this.#anchor = key;
    this.selected.value = chosen;
  }

  /** @param {string} key */
  #selectTo(key) {
    const { keys: all } = this.#entries.peek();
    const [from, to] = [all.indexOf(this.#anchor), all.indexOf(key)].sort((a, b) => a - b);
    if (from < 0) return this.#toggle(key);
    this.selected.value = new Set([...this.selected.peek(), ...all.slice(from, to + 1)]);
  }

  /** A finger that stays on a line selects it; while something is selected, so does a tap. @param {string} id */
  #onPress = (id) => (/** @type {PointerEvent} */ event) => {
    clearTimeout(this.#press);
    if (event.pointerType !== "touch" || !this.#options.isSelectable || event.type !== "pointerdown") return;
    this.#press = window.setTimeout(() => {
      this.#pressed = id;
      this.#toggle(id);
    }, PRESS_MS);
  };

  #onMenu = (/** @type {Event} */ event) => void (this.#pressed && event.preventDefault());

  #onPointer = (/** @type {boolean} */ isOn) => (/** @type {PointerEvent} */ event) => {
    if (event.pointerType === "mouse") this.#isBusy.value = { ...this.#isBusy.peek(), pointer: isOn };
  };
  #onFocusIn = () => void (this.#isBusy.value = { ...this.#isBusy.peek(), focus: true });
  #onFocusOut = (/** @type {FocusEvent} */ event) => {
    const isOut = !(event.relatedTarget instanceof Node && this.#element?.contains(event.relatedTarget));
    if (isOut) this.#isBusy.value = { ...this.#isBusy.peek(), focus: false };
  };

  #attach = (/** @type {HTMLElement} */ element) => {
    this.#detach();
    this.#element = element;
    this.#scroller = scrollerOf(element);
    const listener = () => this.#onScroll();
    this.#scroller.addEventListener("scroll", listener, { passive: true });
    const observer = new ResizeObserver(listener);
    observer.observe(element);
    observer.observe(this.#scroller);
    narrow.addEventListener("change", listener);
    this.#detach = () => (observer.disconnect(), narrow.removeEventListener("change", listener));
    listener();
  };

  /** How far below the top of what scrolls the list begins. */
  #offset() {
    if (!this.#element || !this.#scroller) return 0;
    return (
      this.#element.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top + this.#scroller.scrollTop
    );
  }

  #onScroll() {
    if (!this.#element?.isConnected || !this.#scroller) return;
    const size = { width: this.#element.clientWidth - 24, isNarrow: narrow.matches, line: lineHeight() };
    const old = this.#size.peek();
    if (Object.entries(size).some(([name, value]) => old[/** @type {keyof typeof old} */ (name)] !== value))
      this.#size.value = size;
    const top = Math.max(0, this.#scroller.scrollTop - this.#offset() - HEAD);
    const now = this.#view.peek();
    const height = this.#scroller.clientHeight;
    if (Math.abs(top - now.top) > size.line * (MORE / 2) || height !== now.height) this.#view.value = { top, height };
    const { height: full, keys: all } = this.#entries.peek();
    if (top + height > full - 20 * size.line && all.length > 0 && this.#endAt !== all.length) {
      this.#endAt = all.length;
      this.#options.onEnd?.();
    }
  }

  /** What is shown of the list, in words: "312 lines". */
  summary() {
    return plural(this.#entries.value.keys.length, "line");
  }
}

/** What follows the last line, as a page that was asked for: it moves nothing. @param {Group[]} order @param {Group[]} shown */
function tailOf(order, shown) {
  const last = shown.at(-1);
  const now = last && order.find(({ id }) => id === last.id);
  if (!last || !now || now !== order.filter(({ items }) => items.length > 0).at(-1)) return [];
  const known = new Set(last.items);
  const at = now.items.findLastIndex((id) => known.has(id));
  return at < 0 ? [] : now.items.slice(at + 1);
}
