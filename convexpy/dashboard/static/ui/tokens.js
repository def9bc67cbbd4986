/**
 * A filter bar of tokens: names are offered, then their values. Backspace takes the last token off.
 *
 *     const bar = filterBar({
 *       tokens: () => [{ name: "function", value: "shop.orders:charge" }],
 *       names: [
 *         { name: "function", hint: "a function's name", values: () => names.value, canExclude: true },
 *         { name: "text", hint: "in arguments and errors", isFree: true },
 *       ],
 *       onChange: (tokens) => …,
 *       placeholder: "Filter by function, or text",
 *     });                                  // in the page's open(); then `${bar()}` in what it renders
 *
 * What is typed without a name is a value of those names that offer it, or of the free ones.
 */

import { icon } from "./icons.js";
import { html, keyed, nothing, signal } from "./render.js";

/** @typedef {{ name: string, value: string, word?: string, isOut?: boolean }} Token `isOut`: what it names is left out */
/** @typedef {{ value: string, word?: string, hint?: unknown }} Value */
/**
 * @typedef {object} TokenName
 * @property {string} name
 * @property {string} hint what it is, for the list
 * @property {() => readonly (Value | string)[]} [values] what is offered
 * @property {boolean} [isFree] any text is a value
 * @property {boolean} [canExclude] "not" before a value leaves it out
 * @property {boolean} [isSingle] another value takes the place of the first
 * @property {(text: string) => Value | readonly Value[] | null} [read] what is typed as a value, or as several
 */
/** @typedef {{ name: string, value?: string, word: string, hint: unknown, isOut?: boolean }} Offer */

const MOST = 12;
let bars = 0;

/**
 * @param {{ tokens: () => readonly Token[], names: readonly TokenName[], onChange: (tokens: Token[]) => void,
 *   placeholder: string, after?: () => unknown }} options
 * @returns {() => unknown}
 */
export function filterBar({ tokens, names, onChange, placeholder, after = () => nothing }) {
  const id = `filter-${++bars}`;
  const typed = signal("");
  const chosen = signal(/** @type {TokenName | null} */ (null)); // the name whose value is typed
  const active = signal(0);
  const isOpen = signal(false);
  let input = /** @type {HTMLInputElement | null} */ (null);

  const open = () => {
    isOpen.value = true;
    active.value = 0;
  };
  const close = () => void (isOpen.value = false);
  /** @param {string} text */
  const type = (text) => {
    typed.value = text;
    open();
    const colon = /^(\w+):\s*/.exec(text);
    const known = colon && !chosen.peek() ? names.find(({ name }) => name === colon[1].toLowerCase()) : undefined;
    if (!known || !colon) return;
    chosen.value = known;
    typed.value = text.slice(colon[0].length);
  };
  /** @param {Token} token */
  const add = (token) => {
    const known = names.find(({ name }) => name === token.name);
    const others = tokens().filter(
      (each) => each.name !== token.name || !(known?.isSingle || each.value === token.value),
    );
    [typed.value, chosen.value, active.value] = ["", null, 0];
    onChange([...others, token]);
  };
  /** @param {Offer} offer */
  const take = (offer) => {
    if (offer.value === undefined) {
      [typed.value, chosen.value, active.value] = ["", names.find(({ name }) => name === offer.name) ?? null, 0];
    } else add({ name: offer.name, value: offer.value, word: offer.word, isOut: offer.isOut });
    input?.focus();
  };
  /** @param {number} at */
  const remove = (at) => {
    onChange(tokens().filter((_, index) => index !== at));
    input?.focus();
  };
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const offers = offered(names, chosen.peek(), typed.peek());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      if (!isOpen.peek()) open();
      else active.value = (active.peek() + step + offers.length) % (offers.length || 1);
    } else if (event.key === "Enter" && isOpen.peek() && offers.length > 0)
      take(offers[Math.min(active.peek(), offers.length - 1)]);
    else if (event.key === "Backspace" && typed.peek() === "") {
      if (chosen.peek()) chosen.value = null;
      else if (tokens().length > 0) remove(tokens().length - 1);
    } else if (event.key === "Escape") {
      if (isOpen.peek() || typed.peek() || chosen.peek()) [typed.value, chosen.value] = ["", null];
      else input?.blur();
      close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const onFocusOut = (/** @type {FocusEvent} */ event) => {
    const box = /** @type {Element} */ (event.currentTarget);
    if (!(event.relatedTarget instanceof Node && box.contains(event.relatedTarget))) close();
  };

  return () => {
    const offers = isOpen.value ? offered(names, chosen.value, typed.value) : [];
    const at = Math.min(active.value, offers.length - 1);
    return html`
      <div class="filters" role="search" @focusout=${onFocusOut}>
        ${keyed(
          tokens(),
          ({ name, value, isOut }) => `${name} ${isOut} ${value}`,
          (token, index) => tokenView(token, () => remove(index)),
        )}
        <div class="token-box">
          <label class="field">
            ${chosen.value ? html`<span class="token-name">${chosen.value.name}</span>` : nothing}<span class="vh">Filter</span>
            <input data-filter role="combobox" aria-autocomplete="list" aria-expanded=${offers.length > 0 ? "true" : "false"}
              aria-controls=${`${id}-list`} aria-activedescendant=${offers.length > 0 ? `${id}-${at}` : nothing} autocomplete="off"
              spellcheck="false" placeholder=${chosen.value ? chosen.value.hint : tokens().length > 0 ? "" : placeholder} .value=${typed.value}
              ref=${(/** @type {HTMLInputElement} */ element) => (input = element)}
              @input=${(/** @type {any} */ event) => type(event.target.value)} @focus=${open} @click=${open} @keydown=${onKeyDown}>
          </label>
          <ul class="offers" id=${`${id}-list`} role="listbox" aria-label="Filters" ?hidden=${offers.length === 0}>
            ${offers.map((offer, index) => offerView(offer, `${id}-${index}`, index === at, () => take(offer)))}
          </ul>
        </div>
        <kbd class="hide-narrow" aria-hidden="true">/</kbd>
        ${after()}
      </div>`;
  };
}

/** @param {Token} token @param {() => void} remove */
const tokenView = ({ name, value, word, isOut }, remove) => html`
  <span class="token"><span>${name}</span><b>${isOut ? "not " : ""}${word ?? value}</b><button type="button"
    aria-label=${`Remove the filter ${name} ${word ?? value}`} @click=${remove}>${icon("x")}</button></span>`;

/** @param {Offer} offer @param {string} id @param {boolean} isActive @param {() => void} take */
const offerView = ({ name, value, word, hint, isOut }, id, isActive, take) => html`
  <li id=${id} role="option" aria-selected=${isActive ? "true" : "false"} @mousedown=${(/** @type {Event} */ event) => (event.preventDefault(), take())}>
    <span class="dim">${name}</span>${value === undefined ? nothing : html`<span class="offer-word">${isOut ? "not " : ""}${word}</span>`}<span class="offer-hint">${hint}</span>
  </li>`;

/** What is offered for what is typed. @param {readonly TokenName[]} names @param {TokenName | null} chosen @param {string} typed @returns {Offer[]} */
function offered(names, chosen, typed) {
  const text = typed.trim();
  if (chosen) return valuesOf(chosen, text, MOST);
  const starting = names.filter(({ name }) => name.startsWith(text.toLowerCase()));
  const heads = starting.map(({ name, hint }) => ({ name, word: name, hint }));
  if (text === "") return heads;
  const values = names.flatMap((each) => valuesOf(each, text, 5));
  return [
    ...values.filter(({ name }) => !isFreeName(names, name)),
    ...heads,
    ...values.filter(({ name }) => isFreeName(names, name)),
  ].slice(0, MOST);
}

/** @param {readonly TokenName[]} names @param {string} name */
const isFreeName = (names, name) => names.find((each) => each.name === name)?.isFree === true;

/** @param {TokenName} name @param {string} typed @param {number} most @returns {Offer[]} */
function valuesOf({ name, values, isFree, canExclude, read }, typed, most) {
  const isOut = canExclude === true && /^not\s/i.test(typed);
  const text = isOut ? typed.replace(/^not\s+/i, "") : typed;
  const known = (values?.() ?? []).map((each) => (typeof each === "string" ? { value: each } : each));
  const wanted = text.toLowerCase();
  const fitting = known.filter(({ value, word }) => `${value} ${word ?? ""}`.toLowerCase().includes(wanted));
  fitting.sort((one, other) => rank(one.value, wanted) - rank(other.value, wanted));
  const found = fitting
    .slice(0, most)
    .map((each) => ({ name, hint: "", ...each, word: each.word ?? each.value, isOut }));
  const written = text && read ? [read(text) ?? []].flat() : [];
  found.unshift(...written.map((each) => ({ name, hint: "", ...each, word: each.word ?? each.value, isOut })));
  if (isFree && text) found.push({ name, value: text, word: `“${text}”`, hint: "contains", isOut });
  return found;
}

/** What is typed is the whole, begins a part, or is somewhere in it. @param {string} value @param {string} wanted */
function rank(value, wanted) {
  const parts = value.toLowerCase().split(/[:/.]/);
  if (parts.includes(wanted) || value.toLowerCase() === wanted) return 0;
  return parts.some((part) => part.startsWith(wanted)) ? 1 : 2;
}
