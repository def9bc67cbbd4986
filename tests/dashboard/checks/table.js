import { computed, html, mount, signal } from "/dashboard/static/ui/render.js";
import { table } from "/dashboard/static/ui/table.js";
import { same } from "./check.js";

const pause = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {number} count */
function open(count, options = {}) {
  document.body.replaceChildren();
  const box = document.body.appendChild(document.createElement("div"));
  Object.assign(box.style, { height: "600px", overflow: "auto", width: "900px" });
  const items = signal(Array.from({ length: count }, (_, at) => ({ id: `n${at}`, text: `line ${at}`, state: "a" })));
  const opened = /** @type {string[]} */ ([]);
  const list = table({
    label: "Lines",
    isSelectable: true,
    columns: [
      { id: "id", title: "Id", width: 100, place: "what", view: (item) => item.id },
      { id: "state", title: "State", width: 200, place: "state", view: (item) => item.state },
      { id: "more", title: "More", width: 500, view: () => "more" },
      { id: "text", title: "Text", view: (item) => html`<b>${item.text}</b>` },
    ],
    key: (item) => item.id,
    name: (item) => item.text,
    stateOf: (item) => item.state,
    onOpen: (item) => opened.push(item.id),
    groups: () => [{ id: "all", title: "All", note: String(items.value.length), items: items.value }],
    ...options,
  });
  mount(box, () => list.view());
  const lines = () => [...box.querySelectorAll(".list-line")].map((each) => /** @type {HTMLElement} */ (each).dataset.key);
  return { box, items, list, lines, opened };
}

/** @param {string} key @param {KeyboardEventInit} [options] */
async function press(key, options = {}) {
  (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options }));
  await pause();
}

export default {
  async "of many lines only those in view exist"() {
    const { box, lines } = open(20_000);
    await pause();
    same(lines().length < 60, true, `${lines().length} lines`);
    same(lines()[0], "n0");
    box.scrollTop = 34 * 10_000;
    await pause(100);
    same([lines().length < 60, lines().includes("n10000")], [true, true]);
    same(box.querySelector("[role=grid]")?.getAttribute("aria-rowcount"), "20002");
  },
  async "columns give up from the right, the last one excepted"() {
    const { box } = open(3);
    await pause();
    const heads = () => [...box.querySelectorAll(".list-head [role=columnheader]")].map((each) => each.textContent).filter(Boolean);
    same(heads(), ["Id", "State", "Text"]);
    box.style.width = "1200px";
    await pause(100);
    same(heads(), ["Id", "State", "More", "Text"]);
  },
  async "j and k move the focus, Enter opens, x selects"() {
    const { list, opened } = open(1_000);
    await pause();
    await press("j");
    same(/** @type {HTMLElement} */ (document.activeElement).dataset.key, "n0");
    await press("j");
    await press("ArrowDown");
    await press("k");
    await press("Enter");
    await press("x");
    await press("j");
    await press("j");
    await press("X", { shiftKey: true });
    same([opened, [...list.selected.value]], [["n1"], ["n1", "n2", "n3"]]);
    await press("x");
    same(list.selectedItems().map(({ id }) => id), ["n1", "n2"]);
    await press("Escape");
    same(list.selected.value.size, 0);
  },
  async "a line that is far away comes into view with the focus"() {
    const { list, lines } = open(5_000);
    await pause();
    list.focus("n4000");
    await pause(100);
    same([/** @type {HTMLElement} */ (document.activeElement).dataset.key, lines().includes("n4000")], ["n4000", true]);
  },
  async "lines stay where they are while one has the focus"() {
    const { box, items, list, lines } = open(5);
    await pause();
    await press("j");
    items.value = [{ id: "new1", text: "new", state: "a" }, { id: "new2", text: "new", state: "a" }, { ...items.value[1], text: "changed" }, items.value[0]];
    await pause();
    same(lines(), ["n0", "n1", "n2", "n3", "n4"]);
    same(box.querySelector("[data-key=n1] b")?.textContent, "changed");
    same([...box.querySelectorAll(".gone")].length, 3);
    same([list.waiting.value, box.querySelector(".list-new button")?.textContent], [2, "2 new ."]);
    await press(".");
    same([lines(), list.waiting.value], [["new1", "new2", "n1", "n0"], 0]);
  },
  async "lines stay while something is selected, and the places are taken afterwards"() {
    const { items, list, lines } = open(3);
    await pause();
    list.selected.value = new Set(["n2"]);
    items.value = [...items.value].reverse();
    await pause();
    same(lines(), ["n0", "n1", "n2"]);
    list.clear();
    await pause();
    same(lines(), ["n2", "n1", "n0"]);
  },
  async "another filter is another list"() {
    const filter = signal("a");
    const { items, list, lines } = open(3, { context: () => filter.value });
    await pause();
    list.selected.value = new Set(["n2"]);
    filter.value = "b";
    items.value = items.value.slice(0, 1);
    await pause();
    same([lines(), list.selected.value.size], [["n0"], 0]);
  },
  async "what is new is marked, and so is what has changed"() {
    const { box, items } = open(2);
    await pause();
    same(box.querySelectorAll(".new, .changed").length, 0);
    items.value = [{ ...items.value[0], state: "b" }, items.value[1], { id: "n9", text: "new", state: "a" }];
    await pause();
    const marked = (/** @type {string} */ name) => [...box.querySelectorAll(name)].map((each) => /** @type {HTMLElement} */ (each).dataset.key);
    same([marked(".new"), marked(".changed")], [["n9"], ["n0"]]);
  },
  async "a click opens a line, and not what stands in it"() {
    const { box, opened, list } = open(3);
    await pause();
    /** @type {HTMLElement} */ (box.querySelector("[data-key=n1] b")).click();
    /** @type {HTMLElement} */ (box.querySelector("[data-key=n2] input")).click();
    same([opened, [...list.selected.value]], [["n1"], ["n2"]]);
  },
  async "a finger that stays on a line selects it"() {
    const { box, opened, list } = open(3);
    await pause();
    const line = /** @type {HTMLElement} */ (box.querySelector("[data-key=n1]"));
    const touch = (/** @type {string} */ type) => line.dispatchEvent(new PointerEvent(type, { pointerType: "touch", bubbles: true }));
    touch("pointerdown");
    touch("pointerup");
    line.click();
    await pause(500);
    same([opened, list.selected.value.size], [["n1"], 0]);
    touch("pointerdown");
    await pause(500);
    touch("pointerup");
    line.click();
    same([opened, [...list.selected.value]], [["n1"], ["n1"]]);
  },
  async "without a focus, j goes to the first line in view"() {
    const { box } = open(1_000);
    await pause();
    box.scrollTop = 34 * 500;
    await pause(100);
    await press("j");
    const at = Number(/** @type {HTMLElement} */ (document.activeElement).dataset.key?.slice(1));
    same(at >= 499 && at <= 501, true, String(at));
  },
  async "the end asks for more, once for each length"() {
    let asked = 0;
    const { box, items } = open(100, { onEnd: () => asked++ });
    await pause();
    const before = asked;
    box.scrollTop = 1e6;
    await pause(100);
    box.scrollTop = 0;
    await pause(50);
    box.scrollTop = 1e6;
    await pause(100);
    same([before, asked], [0, 1]);
    items.value = [...items.value, ...Array.from({ length: 100 }, (_, at) => ({ id: `m${at}`, text: "", state: "a" }))];
    await pause();
    box.scrollTop = 1e6;
    await pause(100);
    same(asked, 2);
  },
  async "a computed list is laid out once for each change"() {
    let runs = 0;
    const source = signal([{ id: "a", text: "a", state: "a" }]);
    const rows = computed(() => (runs++, source.value));
    open(0, { groups: () => [{ id: "all", items: rows.value }] });
    await pause();
    source.value = [...source.value];
    await pause();
    same(runs, 2);
  },
};
