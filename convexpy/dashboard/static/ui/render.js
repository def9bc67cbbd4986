/**
 * Templates that update only what changed, and signals that say when.
 *
 *     const count = signal(0);
 *     mount(document.body, () => html`<button @click=${() => count.value++}>${count.value}</button>`);
 *
 * A value in a template is text, however it looks: nothing of it is ever read as markup. `name=${x}` sets an attribute,
 * `?name` one that is there or not, `.name` a property, `@name` a listener, `ref=${f}` calls `f` with the element once,
 * `style=${{ width: "3px", "--depth": 2 }}` sets properties of its style. White space with a line break between two
 * tags is left out.
 */

import { attempt, batch, isCalmNow, Signal } from "./signals.js";

export { batch, calmly, computed, effect, Signal, signal } from "./signals.js";

const CALM_PAUSE = 250; // milliseconds between two renderings for data that changed by itself

class Template {
  /** @param {TemplateStringsArray} strings @param {unknown[]} values @param {boolean} isSvg */
  constructor(strings, values, isSvg) {
    this.strings = strings;
    this.values = values;
    this.isSvg = isSvg;
  }
}

class Keyed {
  /** @typedef {(item: any, index: number) => unknown} OfItem */
  /** @param {readonly any[]} items @param {OfItem} key @param {OfItem} view */
  constructor(items, key, view) {
    this.items = items;
    this.key = key;
    this.view = view;
  }
}

export const nothing = Symbol("nothing");
/** @param {TemplateStringsArray} strings @param {unknown[]} values */
export const html = (strings, ...values) => new Template(strings, values, false);
/** What stands inside of an `<svg>`. @param {TemplateStringsArray} strings @param {unknown[]} values */
export const svg = (strings, ...values) => new Template(strings, values, true);
/** A list whose nodes move with their items. @template T @param {readonly T[]} items
 * @param {(item: T, index: number) => unknown} key @param {(item: T, index: number) => unknown} view */
export const keyed = (items, key, view) => new Keyed(items, key, view);

const MARK = "convexpy-";
const REFUSED = /^on|^srcdoc$|^\.(inner|outer)html$/i;
const ADDRESSES = new Set(["href", "src", "action", "formaction", "xlink:href"]);
/** @typedef {{ index: number, name: string, texts: string[], places: number[] }} Place */
const prepared = /** @type {WeakMap<object, { content: DocumentFragment, places: Place[] }>} */ (new WeakMap());
let drawn = /** @type {(() => void)[]} */ ([]); // what is called after a rendering

/** Reads a template once: its nodes, and where among them values go. @param {Template} template */
function prepare({ strings, isSvg }) {
  const names = /** @type {string[]} */ ([]);
  let [markup, state] = ["", "text"];
  for (const [place, text] of strings.entries()) {
    for (const letter of text) {
      if (state === "text") state = letter === "<" ? "tag" : state;
      else if (state === "tag") state = { ">": "text", '"': '"', "'": "'" }[letter] ?? state;
      else if (state === letter) state = "tag";
    }
    names[place] = /([^\s"'<>/=]+)=["']?$/.exec(text)?.[1] ?? "";
    const mark = { text: `<!--${MARK}${place};-->`, tag: `"${MARK}${place};"` }[state] ?? `${MARK}${place};`;
    // A style is not read from markup: the browser would take it for one of the page, which its policy forbids.
    markup += text.replace(/ style=(["']?)$/, ` ${MARK}style=$1`) + (place < strings.length - 1 ? mark : "<!---->");
  }
  const holder = document.createElement("template");
  markup = markup.replace(/>\s*\n\s*</g, "><").trim();
  holder.innerHTML = isSvg ? `<svg>${markup}</svg>` : markup;
  const { content } = holder;
  if (isSvg) content.replaceChildren(.../** @type {Element} */ (content.firstChild).childNodes);
  const places = [...nodesOf(content)].flatMap((node, index) =>
    placesOf(node, names).map((each) => ({ index, ...each })),
  );
  return { content, places };
}

/** @param {Node} root @returns {Generator<Element | Comment>} */
function* nodesOf(root) {
  const walker = document.createTreeWalker(root, 1 | 128);
  for (let node; (node = walker.nextNode());) yield /** @type {any} */ (node);
}

/** @param {Element | Comment} node @param {string[]} names */
function placesOf(node, names) {
  const marks = new RegExp(`${MARK}(\\d+);`);
  if (!("attributes" in node))
    return marks.test(node.data) ? [{ name: "", texts: [], places: [+node.data.split(marks)[1]] }] : [];
  return [...node.attributes].flatMap(({ name, value }) => {
    const pieces = value.split(marks);
    if (REFUSED.test(name) || name === "style") throw new Error(`a template has ${name}="…"`);
    if (pieces.length === 1) return [];
    node.removeAttribute(name);
    const places = pieces.filter((_, at) => at % 2 === 1).map(Number);
    return [
      {
        name: /^[.@?]|^convexpy-/.test(name) ? names[places[0]] : name,
        texts: pieces.filter((_, at) => at % 2 === 0),
        places,
      },
    ];
  });
}

/** What writes values into one place of a copy.
 * @param {any} node @param {Place} place @returns {(values: unknown[]) => void} */
function writer(node, { name, texts, places }) {
  if (name === "") {
    const child = new Child(node, node.nextSibling);
    return (values) => child.show(values[places[0]]);
  }
  let last = /** @type {any} */ (nothing);
  const bare = name.slice(1);
  /** @type {(value: any) => void} */
  let write = (value) => setAttribute(node, name, value);
  if (name[0] === "?") write = (value) => node.toggleAttribute(bare, Boolean(value));
  if (name[0] === ".") return (values) => void (node[bare] === values[places[0]] || (node[bare] = values[places[0]]));
  if (name === "style") write = (value) => setStyle(node.style, value, last);
  if (name === "ref") write = (value) => void (last === nothing && value && drawn.push(() => value(node)));
  if (name[0] === "@") {
    node.addEventListener(bare, (/** @type {Event} */ event) => typeof last === "function" && batch(() => last(event)));
    write = () => {};
  }
  return (values) => {
    const isWhole = places.length === 1 && texts.every((text) => text === "");
    const value = isWhole
      ? values[places[0]]
      : texts.map((text, at) => (at ? asText(values[places[at - 1]]) : "") + text).join("");
    if (Object.is(value, last)) return;
    write(value);
    last = value;
  };
}

/** @param {unknown} value */
const asText = (value) =>
  value === nothing || value === undefined || value === null || typeof value === "boolean" ? "" : String(value);

/** @param {Element} element @param {string} name @param {unknown} value */
function setAttribute(element, name, value) {
  const isAbsent =
    value === nothing || value === undefined || value === null || (value === false && !name.startsWith("aria-"));
  if (isAbsent) return element.removeAttribute(name);
  const text = value === true && !name.startsWith("aria-") ? "" : String(value);
  const isScript = ADDRESSES.has(name) && /^(javascript|data|vbscript):/i.test(text.replace(/[\0-\x20]/g, ""));
  element.setAttribute(name, isScript ? "about:blank" : text);
}

/** @param {CSSStyleDeclaration} style @param {any} now @param {any} before */
function setStyle(style, now, before) {
  for (const name of Object.keys(typeof before === "object" ? (before ?? {}) : {}))
    if (!(name in (now ?? {}))) style.removeProperty(name);
  for (const [name, value] of Object.entries(now ?? {})) style.setProperty(name, String(value));
}

/** What stands between two nodes: text, a copy of a template, a list, or a node. The second may be the parent's end. */
class Child {
  #shown = /** @type {any} */ (null);

  /** @param {ChildNode} start @param {ChildNode | null} end */
  constructor(start, end) {
    this.start = start;
    this.end = end;
  }

  /** @param {unknown} value */
  show(value) {
    if (value instanceof Template) this.#showTemplate(value);
    else if (value instanceof Keyed) this.#showList(value);
    else if (Array.isArray(value))
      this.#showList(
        new Keyed(
          value,
          (_, index) => index,
          (item) => item,
        ),
      );
    else if (value instanceof Node) this.#shown === value || this.#replace(value, value);
    else if (this.#shown?.nodeType !== 3) this.#replace(document.createTextNode(asText(value)));
    else if (this.#shown.data !== asText(value)) this.#shown.data = asText(value);
  }

  clear() {
    while (this.start.nextSibling !== this.end) this.start.nextSibling?.remove();
    this.#shown = null;
  }

  remove() {
    this.clear();
    this.start.remove();
    this.end?.remove();
  }

  /** @param {Node} node */
  #replace(node, shown = /** @type {any} */ (node)) {
    this.clear();
    this.start.after(node);
    this.#shown = shown;
  }

  /** @param {Template} template */
  #showTemplate(template) {
    if (this.#shown?.strings !== template.strings) {
      const known = prepared.get(template.strings) ?? prepare(template);
      prepared.set(template.strings, known);
      const copy = document.importNode(known.content, true);
      const nodes = [...nodesOf(copy)];
      const writers = known.places.map((place) => writer(nodes[place.index], place));
      const isLate = known.places.map(({ name }) => name[0] === "."); // the value of a <select> comes after its options
      const inOrder = [...writers.filter((_, at) => !isLate[at]), ...writers.filter((_, at) => isLate[at])];
      this.#replace(copy, { strings: template.strings, writers: inOrder });
    }
    for (const write of this.#shown.writers) write(template.values);
  }

  /** @param {Keyed} list */
  #showList({ items, key, view }) {
    if (!(this.#shown instanceof Map)) this.#replace(document.createDocumentFragment(), new Map());
    const before = /** @type {Map<unknown, Child>} */ (this.#shown);
    const now = (this.#shown = new Map());
    for (const [index, item] of items.entries()) {
      const id = key(item, index);
      const unique = now.has(id) ? Symbol() : id;
      now.set(unique, before.get(unique) ?? newItem());
    }
    for (const [id, child] of before) if (!now.has(id)) child.remove();
    let [cursor, index] = [this.start.nextSibling, 0];
    for (const child of now.values()) {
      if (child.start !== cursor) move(child, /** @type {ParentNode} */ (this.start.parentNode), cursor);
      child.show(view(items[index], index++));
      cursor = child.end.nextSibling;
    }
  }
}

function newItem() {
  const [start, end] = [document.createComment(""), document.createComment("")];
  document.createDocumentFragment().append(start, end);
  return new Child(start, end);
}

/** @param {Child} child @param {ParentNode} parent @param {Node | null} before */
function move({ start, end }, parent, before) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  for (let node = /** @type {ChildNode | null} */ (start), next; node; node = next) {
    next = node === end ? null : node.nextSibling;
    parent.insertBefore(node, before);
  }
  if (focused !== document.activeElement) focused?.focus({ preventScroll: true });
}

/**
 * Show what `view` returns at the end of an element, and again whenever a signal that it read has changed: at once, or
 * for changes that are made calmly at most four times a second, and never while the page is hidden.
 * @param {Element} container @param {() => unknown} view @param {(error: unknown) => void} [onError]
 * @returns {() => void} what takes it away
 */
export function mount(container, view, onError = console.error) {
  const root = newItem();
  container.append(root.start, /** @type {Node} */ (root.end));
  let [last, isQueued] = [0, false];
  let timer = /** @type {any} */ (undefined);
  const draw = () => {
    clearTimeout(timer);
    [timer, isQueued, last] = [undefined, false, performance.now()];
    attempt(() => cell.refresh(), onError);
    const calls = drawn;
    drawn = [];
    for (const call of calls) attempt(call);
  };
  const drawCalmly = () =>
    document.hidden ? document.addEventListener("visibilitychange", draw, { once: true }) : draw();
  const onChange = () => {
    if (isCalmNow()) timer ??= setTimeout(drawCalmly, last + CALM_PAUSE - performance.now());
    else if (!isQueued) queueMicrotask(draw);
    isQueued ||= !isCalmNow();
  };
  const cell = new Signal(/** @type {void} */ (undefined), () => root.show(view()), onChange);
  draw();
  return () => (cell.stop(), clearTimeout(timer), root.remove());
}
