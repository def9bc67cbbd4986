import { hasSingleKeys, keys, knownKeys, nameOf, setSingleKeys } from "/dashboard/static/ui/keys.js";
import { Scope } from "/dashboard/static/ui/scope.js";
import { place, same } from "./check.js";

/** @param {string} key @param {KeyboardEventInit} [options] @param {Element} [target] */
function press(key, options = {}, target = document.body) {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}

export default {
  "keys have names"() {
    const name = (/** @type {string} */ key, options = {}) => nameOf(new KeyboardEvent("keydown", { key, ...options }));
    same([name("j"), name("X", { shiftKey: true }), name("?", { shiftKey: true }), name(" "), name("Escape")], ["j", "Shift x", "?", "Space", "Esc"]);
    same([name("Enter", { ctrlKey: true }), name("k", { metaKey: true }), name("Tab", { shiftKey: true })], ["Ctrl Enter", "Ctrl k", "Shift Tab"]);
  },
  "the key that was added last comes first, and may leave it to the others"() {
    const seen = /** @type {string[]} */ ([]);
    const ends = [
      keys({ r: () => void seen.push("first") }),
      keys({ r: () => (seen.push("second"), false) }),
      keys({ r: { label: "Third", run: () => (seen.push("third"), false) } }),
    ];
    same(press("r"), true);
    same(seen, ["third", "second", "first"]);
    ends.forEach((end) => end());
    same(press("r"), false);
  },
  "two keys after each other"() {
    const seen = /** @type {string[]} */ ([]);
    const ends = [keys({ "g s": () => void seen.push("g s"), s: () => void seen.push("s") })];
    press("g");
    press("s");
    press("s");
    press("g");
    press("q");
    press("s");
    same(seen, ["g s", "s", "s"]);
    ends.forEach((end) => end());
  },
  "none works while one types, except with Ctrl, and Escape"() {
    const box = place();
    box.innerHTML = "";
    const [seen, fields] = [/** @type {string[]} */ ([]), ["input", "textarea", "select"].map((name) => box.appendChild(document.createElement(name)))];
    const editable = Object.assign(box.appendChild(document.createElement("p")), { contentEditable: "true" });
    const end = keys({ r: () => void seen.push("r"), "Ctrl Enter": () => void seen.push("Ctrl Enter"), Esc: () => void seen.push("Esc") });
    for (const field of [...fields, editable]) {
      press("r", {}, field);
      press("Enter", { ctrlKey: true }, field);
      press("Escape", {}, field);
    }
    same(seen, [1, 2, 3, 4].flatMap(() => ["Ctrl Enter", "Esc"]));
    end();
  },
  "Enter belongs to a button that has the focus"() {
    const [box, seen] = [place(), /** @type {string[]} */ ([])];
    const end = keys({ Enter: () => void seen.push("Enter") });
    press("Enter", {}, box.appendChild(document.createElement("button")));
    press("Enter", {}, box);
    same(seen, ["Enter"]);
    end();
  },
  "keys of one letter can be switched off"() {
    const seen = /** @type {string[]} */ ([]);
    const end = keys({ r: () => void seen.push("r"), "Shift x": () => void seen.push("x"), ArrowDown: () => void seen.push("down"), "Ctrl k": () => void seen.push("k") });
    setSingleKeys(false);
    press("r");
    press("X", { shiftKey: true });
    press("ArrowDown");
    press("k", { ctrlKey: true });
    same([seen, hasSingleKeys.value, localStorage.getItem("convexpy.keys")], [["down", "k"], false, "off"]);
    setSingleKeys(true);
    press("r");
    same(seen, ["down", "k", "r"]);
    end();
  },
  "a sheet lets no keys of the page through, nor are they listed twice"() {
    const seen = /** @type {string[]} */ ([]);
    const end = keys({ r: () => void seen.push("page"), n: () => {} });
    const close = keys({ Esc: () => void seen.push("sheet") }, { isModal: true });
    press("r");
    press("Escape");
    same(seen, ["sheet"]);
    close();
    press("r");
    same(seen, ["sheet", "page"]);
    same(knownKeys().filter(({ key }) => key === "n"), [{ key: "n", label: "New job, new row" }]);
    end();
  },
  "keys of a page end with it"() {
    const [scope, seen] = [new Scope(), /** @type {string[]} */ ([])];
    scope.within(() => keys({ r: () => void seen.push("r") }));
    press("r");
    scope.close();
    press("r");
    same(seen, ["r"]);
  },
};
