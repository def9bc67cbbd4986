import { calmly, html, keyed, mount, nothing, signal, svg } from "/dashboard/static/ui/render.js";
import { errorsOf, place, same, settled, throws } from "./check.js";

const HOSTILE = [
  `<script>window.hacked = 1</script>`,
  `<img src=x onerror="window.hacked = 1">`,
  `"><svg onload=window.hacked=1>`,
  `--><img src=x onerror=window.hacked=1>`,
  `convexpy-0;`,
  `<!--convexpy-0;-->`,
  "${window.hacked = 1}",
];
const shown = (/** @type {Element} */ element) => element.innerHTML.replace(/<!--.*?-->/g, "");

export default {
  async "texts are texts wherever they stand"() {
    for (const text of HOSTILE) {
      const box = place();
      mount(box, () => html`<p title=${text} class="a ${text}" data-x=${text} .lang=${text}>${text}${[text]}${keyed([text], (each) => each, (each) => html`<b>${each}</b>`)}</p>`);
      const paragraph = box.querySelector("p");
      same(paragraph?.textContent, text + text + text);
      same([paragraph?.title, paragraph?.className, paragraph?.dataset.x, paragraph?.lang], [text, `a ${text}`, text, text]);
      same(box.querySelectorAll("*").length, 2);
    }
    await settled();
    same(window.hacked, undefined);
  },
  "what looks like a template is none"() {
    const box = place();
    const strings = Object.assign(["<img src=x onerror='window.hacked = 1'>"], { raw: [""] });
    mount(box, () => html`<p>${{ strings, values: [], isSvg: false }}</p><p>${JSON.parse(`{"nodeType": 1}`)}</p>`);
    same(shown(box), "<p>[object Object]</p><p>[object Object]</p>");
  },
  "an address is no script"() {
    const box = place();
    const bad = ["javascript:alert(1)", " \n\tJaVaScript:alert(1)", "data:text/html,x", "vbscript:x", "\u0001javascript:alert(1)", "java\nscript:alert(1)"];
    mount(box, () => html`${bad.map((each) => html`<a href=${each}>x</a>`)}<a href=${"/dashboard/job/1?javascript:=1"}>y</a>`);
    const found = [...box.querySelectorAll("a")];
    same(found.map(({ protocol }) => protocol), [...bad.map(() => "about:"), "http:"]);
  },
  "handlers, styles and markup are refused in a template"() {
    const refused = [
      () => html`<a onclick="x()">a</a>`,
      () => html`<a onclick=${"x()"}>a</a>`,
      () => html`<p style="color: red">a</p>`,
      () => html`<iframe srcdoc=${"x"}></iframe>`,
      () => html`<p .innerHTML=${"<b>x</b>"}></p>`,
    ];
    for (const view of refused) {
      const box = place();
      throws(() => mount(box, view, (error) => { throw error; }), /a template has/);
    }
  },
  async "only what changed is touched"() {
    const [box, count, name] = [place(), signal(1), signal("a")];
    mount(box, () => html`<p class=${name.value}><b>${count.value}</b><i>${name.value}</i></p>`);
    const [bold, italic] = [box.querySelector("b")?.childNodes[1], box.querySelector("i")?.childNodes[1]];
    const changes = /** @type {MutationRecord[]} */ ([]);
    new MutationObserver((records) => changes.push(...records)).observe(box, { subtree: true, childList: true, characterData: true, attributes: true });
    count.value = 2;
    await settled();
    same(shown(box), `<p class="a"><b>2</b><i>a</i></p>`);
    same([changes.length, changes[0].target === bold, italic?.isConnected], [1, true, true]);
  },
  async "attributes come, go and are parts of others"() {
    const [box, value] = [place(), signal(/** @type {any} */ ("x"))];
    mount(box, () => html`<p id="a-${value.value}-${1}" title=${value.value} ?hidden=${value.value} aria-pressed=${Boolean(value.value)}></p>`);
    const paragraph = /** @type {HTMLElement} */ (box.querySelector("p"));
    same(paragraph.outerHTML, `<p id="a-x-1" title="x" hidden="" aria-pressed="true"></p>`);
    for (const none of [nothing, null, undefined, false]) {
      value.value = none;
      await settled();
      same(paragraph.hasAttribute("title"), false);
      same([paragraph.hidden, paragraph.id], [none === nothing, "a--1"]);
      value.value = "x";
      await settled();
    }
  },
  async "styles are set without an attribute in markup"() {
    const violations = /** @type {string[]} */ ([]);
    document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
    const [box, style] = [place(), signal(/** @type {any} */ ({ width: "3px", "--depth": 2 }))];
    mount(box, () => html`<p style=${style.value}>a</p><p class="b" style=${{ height: "1px" }}>b</p>`);
    const paragraph = /** @type {HTMLElement} */ (box.querySelector("p"));
    same([paragraph.style.width, paragraph.style.getPropertyValue("--depth")], ["3px", "2"]);
    style.value = { width: "4px" };
    await settled();
    same([paragraph.style.width, paragraph.style.getPropertyValue("--depth")], ["4px", ""]);
    same(violations, []);
  },
  "what stands in an svg is of its kind, before a slash too"() {
    const box = place();
    mount(box, () => html`<svg viewBox="0 0 1 1">${[1, 2].map((each) => svg`<rect width=${each}/><path d=${"M0 0"}/>`)}</svg>`);
    const rects = [...box.querySelectorAll("rect")];
    same(rects.map((each) => [each.namespaceURI, each.getAttribute("width")]), [["http://www.w3.org/2000/svg", "1"], ["http://www.w3.org/2000/svg", "2"]]);
  },
  async "what a user typed stays unless the value differs from it"() {
    const [box, value, other] = [place(), signal("a"), signal(1)];
    mount(box, () => html`<input .value=${value.value}>${other.value}`);
    const input = /** @type {HTMLInputElement} */ (box.querySelector("input"));
    input.value = "b";
    value.value = "b";
    await settled();
    same(input.value, "b");
    input.value = "c"; // not taken over, as by a filter that refuses it
    other.value = 2;
    await settled();
    same(input.value, "b");
  },
  "the value of a select comes after its options"() {
    const box = place();
    mount(box, () => html`<select .value=${"b"}>${["a", "b"].map((each) => html`<option value=${each}>${each}</option>`)}</select>`);
    same(box.querySelector("select")?.value, "b");
  },
  async "listeners are the latest, and several changes render once"() {
    const [box, count] = [place(), signal(0)];
    let renders = 0;
    mount(box, () => (renders++, html`<button @click=${() => { count.value++; count.value++; }}>${count.value}</button>`));
    box.querySelector("button")?.click();
    box.querySelector("button")?.click();
    await settled();
    same([shown(box), renders], ["<button>4</button>", 2]);
  },
  async "a list keeps the nodes of its items"() {
    const [box, items] = [place(), signal(["a", "b", "c", "d"])];
    mount(box, () => html`<ul>${keyed(items.value, (each) => each, (each) => html`<li tabindex="0">${each}</li>`)}</ul>`);
    const nodes = new Map([...box.querySelectorAll("li")].map((each) => [each.textContent, each]));
    nodes.get("c")?.focus();
    for (const order of ["dcba", "bxc", "cb", "abcd", "", "cc", "dcab"]) {
      const known = new Map([...box.querySelectorAll("li")].map((each) => [each.textContent, each]));
      const isUnique = known.size === box.querySelectorAll("li").length;
      const hadFocus = document.activeElement?.textContent === "c";
      items.value = [...order];
      await settled();
      const now = [...box.querySelectorAll("li")];
      same(now.map((each) => each.textContent).join(""), order);
      for (const each of new Set(now)) {
        const before = known.get(each.textContent);
        if (before && isUnique && order !== "cc") same(before === each, true, `${order} ${each.textContent}`);
      }
      if (hadFocus && order.includes("c")) same(document.activeElement?.textContent, "c");
    }
  },
  async "a place takes text, a template, a list, a node and nothing, in any order"() {
    const [box, value] = [place(), signal(/** @type {any} */ ("text"))];
    mount(box, () => html`<p>(${value.value})</p>`);
    const node = document.createElement("hr");
    const each = [
      [() => "text", "(text)"],
      [() => html`<b>${1}</b>`, "(<b>1</b>)"],
      [() => [1, html`<i></i>`, null], "(1<i></i>)"],
      [() => nothing, "()"],
      [() => node, "(<hr>)"],
      [() => 0, "(0)"],
      [() => false, "()"],
      [() => 10n, "(10)"],
    ];
    for (const [make] of each) {
      for (const [next, wanted] of each) {
        value.value = make();
        await settled();
        value.value = next();
        await settled();
        same(shown(box), `<p>${wanted}</p>`);
      }
    }
  },
  async "data that changes by itself is rendered four times a second, input at once"() {
    const [box, live, typed] = [place(), signal(0), signal("")];
    let renders = 0;
    mount(box, () => (renders++, html`${live.value} ${typed.value}`));
    const began = performance.now();
    while (performance.now() - began < 700) {
      calmly(() => live.value++);
      await settled();
    }
    same(renders >= 2 && renders <= 4, true, `${renders} renderings in 0.7 s:`);
    const before = renders;
    typed.value = "a";
    await Promise.resolve();
    same([renders, shown(box)], [before + 1, `${live.value} a`]);
  },
  async "an error is reported, and the next change renders"() {
    const [box, count, errors] = [place(), signal(1), []];
    mount(box, () => { if (count.value === 2) throw new Error("two"); return html`<p>${count.value}</p>`; }, (error) => errors.push(error.message));
    count.value = 2;
    await settled();
    count.value = 3;
    await settled();
    same([errors, shown(box)], [["two"], "<p>3</p>"]);
  },
  async "what was taken away does not come back"() {
    const [box, count] = [place(), signal(1)];
    const unmount = mount(box, () => html`<p>${count.value}</p>`);
    calmly(() => (count.value = 2));
    count.value = 3;
    unmount();
    await settled();
    same(box.childNodes.length, 0);
  },
  async "an element is given once, when it is in the page"() {
    const [box, count, given] = [place(), signal(1), []];
    mount(box, () => html`<p ref=${(element) => given.push(element.isConnected)}>${count.value}</p>`);
    count.value = 2;
    await settled();
    same(given, [true]);
    same(await errorsOf(() => mount(box, () => html`<p ref=${() => { throw new Error("ref"); }}></p>`)), ["ref"]);
  },
};
