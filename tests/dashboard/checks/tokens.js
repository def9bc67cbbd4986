import { html, mount, signal } from "/dashboard/static/ui/render.js";
import { filterBar } from "/dashboard/static/ui/tokens.js";
import { same, settled } from "./check.js";

const NAMES = [
  { name: "function", hint: "a function", values: () => ["shop:charge", "shop:recharge"], canExclude: true },
  { name: "time", hint: "a range", values: () => [{ value: "1h", word: "last hour" }], isSingle: true },
  { name: "text", hint: "in arguments", isFree: true, isSingle: true },
];

/** A bar on the page, with what is pressed and typed into it. */
function bar(/** @type {any[]} */ first = []) {
  const place = document.createElement("div");
  document.body.append(place);
  const tokens = signal(first);
  const view = filterBar({
    tokens: () => tokens.value,
    names: NAMES,
    onChange: (changed) => (tokens.value = changed),
    placeholder: "Filter",
  });
  mount(place, () => html`${view()}`);
  const input = /** @type {HTMLInputElement} */ (place.querySelector("input"));
  const offers = () =>
    [...place.querySelectorAll("[role=option]")].map((each) =>
      [...each.querySelectorAll(".dim, .offer-word")].map(({ textContent }) => textContent).join(" "),
    );
  const type = async (/** @type {string} */ text) => {
    input.focus();
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
  };
  const press = async (/** @type {string} */ key) => {
    input.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    await settled();
  };
  return { place, tokens, input, offers, type, press };
}

export default {
  async "names are offered, then their values"() {
    const { offers, type, press, tokens } = bar();
    await type("");
    same(offers(), ["function", "time", "text"]);
    await press("Enter");
    same(offers(), ["function shop:charge", "function shop:recharge"]);
    await press("ArrowDown");
    await press("Enter");
    same(
      tokens.value.map(({ name, value }) => [name, value]),
      [["function", "shop:recharge"]],
    );
  },
  async "what is typed is a value of the names that have it, or a text"() {
    const { offers, type, press, tokens } = bar();
    await type("charge");
    same(offers(), ["function shop:charge", "function shop:recharge", "text “charge”"]);
    await type("function: not rech");
    same(offers(), ["function not shop:recharge"]);
    await press("Enter");
    same(
      tokens.value.map(({ value, isOut }) => [value, isOut]),
      [["shop:recharge", true]],
    );
  },
  async "Backspace takes the last token off, and only where nothing is typed"() {
    const { type, press, tokens } = bar([
      { name: "function", value: "shop:charge" },
      { name: "text", value: "tea" },
    ]);
    await type("x");
    await press("Backspace");
    same(tokens.value.length, 2);
    await type("");
    await press("Backspace");
    same(
      tokens.value.map(({ name }) => name),
      ["function"],
    );
  },
  async "of a name that is single, another value takes the place"() {
    const { type, press, tokens } = bar([{ name: "text", value: "tea" }]);
    await type("text: coffee");
    await press("Enter");
    same(
      tokens.value.map(({ value }) => value),
      ["coffee"],
    );
  },
  async "a cross removes its token, and says which"() {
    const { place, tokens } = bar([{ name: "time", value: "1h", word: "last hour" }]);
    const cross = /** @type {HTMLButtonElement} */ (place.querySelector(".token button"));
    same(cross.getAttribute("aria-label"), "Remove the filter time last hour");
    cross.click();
    await settled();
    same(tokens.value, []);
  },
};
