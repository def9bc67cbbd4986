/** Functions: by module, how each does, and one of them with a form to call it. */

import { address, go, link, part } from "../ui/address.js";
import { live } from "../ui/api.js";
import { schemaOf } from "../ui/arguments.js";
import { bars, sparkline } from "../ui/charts.js";
import { duration, number, plural } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { html, keyed, nothing, signal } from "../ui/render.js";
import { typeText } from "../ui/schema.js";
import { empty, pageHead, shown } from "../ui/states.js";
import { FunctionPanel } from "./function_panel.js";

/** @import { Page } from "../ui/pages.js" */
/** @typedef {{ name: string, module: string, kind: "query" | "mutation" | "action", visibility: "public" | "internal", doc: string | null, aliases: string[], place: string, arguments: string, result: string }} FunctionInfo `arguments` and `result`: JSON schemas, as text */
/** @typedef {{ name: string, calls: number, errors: number, retries: number, p50: number | null, p95: number | null, callsByMinute: number[], errorsByMinute: number[] }} FunctionStats */

const EXAMPLE = `# shop/orders.py
from convexpy import MutationCtx, mutation

from .models import Order


@mutation
def place_order(ctx: MutationCtx, item: str) -> str:
    """Create an order."""
    order = Order(item=item)
    ctx.db.add(order)
    ctx.db.flush()
    return order.id`;

/** @type {Page} */
export default {
  title: "Functions",
  hasStyle: true,
  open(scope) {
    const functions = live("_system/functions:list");
    const stats = live("_system/functions:stats");
    const panel = new FunctionPanel();
    const wanted = signal("");
    const all = () => /** @type {FunctionInfo[]} */ (functions.value ?? []);
    const chosen = () => address.value.parts[0];
    const found = () => all().filter(({ name }) => name.toLowerCase().includes(wanted.value.trim().toLowerCase()));
    const step = (/** @type {number} */ by) => () => {
      const names = found().map(({ name }) => name);
      const at = names.indexOf(chosen() ?? "");
      const next = names[at < 0 ? 0 : Math.min(names.length - 1, Math.max(0, at + by))];
      if (next !== undefined) go(`/functions/${part(next)}`, {}, { replace: at >= 0 });
    };
    scope.keys({
      j: step(1),
      k: step(-1),
      Esc: () => (chosen() === undefined ? false : void go("/functions")),
      "Ctrl Enter": { label: "Run dry, or run", run: () => panel.runFirst() },
    });
    return () => {
      const name = chosen();
      const numbers = new Map(/** @type {FunctionStats[]} */ (stats.value ?? []).map((each) => [each.name, each]));
      if (functions.value === undefined) return html`<div class="page">${pageHead("Functions", { isLive: false })}${shown(functions, () => nothing)}</div>`;
      return shown(functions, () => {
        if (all().length === 0) return html`<div class="page">${pageHead("Functions", { isLive: false })}${none()}</div>`;
        const field = html`<label class="field">${icon("search")}<span class="vh">Find a function</span>
          <input type="search" data-filter placeholder="Find a function" .value=${wanted.value} @input=${(/** @type {any} */ event) => (wanted.value = event.target.value)}></label>`;
        if (name === undefined) return html`<div class="page">${overview(found(), all().length, numbers, field)}</div>`;
        const info = all().find((each) => each.name === name || each.aliases.includes(name));
        return html`
          <div class="three">
            <nav class="tree" aria-label="Functions">${field}${tree(found(), numbers, info?.name)}</nav>
            <div class="page">${info ? panel.view(info) : missing(name)}</div>
          </div>`;
      });
    };
  },
};

const none = () =>
  empty({
    title: "No functions yet",
    text: "Queries read, mutations write in one transaction, actions call the outside world. Here you see how each does, and call it from a form.",
    code: EXAMPLE,
    marked: "@mutation",
  });

/** @param {string} name */
const missing = (name) => html`
  <h1>There is no such function</h1>
  <p class="lead"><code>${name}</code> is in no module of the app. It may have been renamed; <a class="link" href=${link("/functions")}>all functions</a>.</p>`;

/** @param {readonly FunctionInfo[]} functions @returns {[string, FunctionInfo[]][]} */
function byModule(functions) {
  const modules = /** @type {Map<string, FunctionInfo[]>} */ (new Map());
  for (const each of functions) modules.set(each.module, [...(modules.get(each.module) ?? []), each]);
  return [...modules];
}

/** @param {string} kind */
const letter = (kind) => html`<span class="l" title=${kind} aria-hidden="true">${kind[0].toUpperCase()}</span><span class="vh">${kind}</span>`;
/** @param {FunctionInfo} info */
const bareName = ({ name, module }) => name.slice(module.length + 1);

/** 4.8k. @param {number} value */
const compact = (value) => (value < 1000 ? String(value) : value < 9_950 ? `${(value / 1000).toFixed(1)}k` : value < 999_500 ? `${Math.round(value / 1000)}k` : `${(value / 1e6).toFixed(1)}M`);

/** @param {readonly FunctionInfo[]} functions @param {Map<string, FunctionStats>} numbers @param {string | undefined} chosen */
const tree = (functions, numbers, chosen) => html`
  ${functions.length === 0 ? html`<p class="hint">No function has this in its name.</p>` : nothing}
  ${keyed(byModule(functions), ([module]) => module, ([module, inside]) => html`
    <h3>${module}<span class="n">${inside.length}</span></h3>
    <ul>${keyed(inside, ({ name }) => name, (info) => html`
      <li><a href=${link(`/functions/${part(info.name)}`)} aria-current=${info.name === chosen ? "page" : nothing} title=${info.name}>
        ${letter(info.kind)}<span class="cut">${bareName(info)}</span><span class="n" title="Calls in the last hour">${calls(numbers.get(info.name))}</span></a></li>`)}</ul>`)}`;

/** @param {FunctionStats | undefined} stats */
const calls = (stats) => (stats ? compact(stats.calls) : "");

/** @param {readonly FunctionInfo[]} functions @param {number} total @param {Map<string, FunctionStats>} numbers @param {unknown} field */
function overview(functions, total, numbers, field) {
  const hidden = total - functions.length;
  return html`
    ${pageHead("Functions", { note: html`${plural(total, "function")}${hidden > 0 ? `, ${hidden} hidden by the filter` : ""}`, buttons: html`<div class="find">${field}</div>` })}
    <div class="function-heads hide-narrow" aria-hidden="true">
      <span class="colh">Function</span><span class="colh num">Calls, last hour</span><span class="colh num">Errors</span><span class="colh num">p50</span><span class="colh num">p95</span><span class="colh">Calls a minute</span>
    </div>
    ${functions.length === 0 ? html`<p class="lead">No function has this in its name.</p>` : nothing}
    ${keyed(byModule(functions), ([module]) => module, ([module, inside]) => html`
      <section class="module" aria-label=${module}>
        <h2 class="mono">${module} <span class="dim">${inside.length}</span></h2>
        <ul>${keyed(inside, ({ name }) => name, (info) => html`<li>${line(info, numbers.get(info.name))}</li>`)}</ul>
      </section>`)}`;
}

/** @param {FunctionInfo} info @param {FunctionStats | undefined} stats */
const line = (info, stats) => html`
  <a class="function" href=${link(`/functions/${part(info.name)}`)}>
    <span class="what">
      <span class="head-line">${letter(info.kind)}<b class="mono">${bareName(info)}</b><span class="mono dim cut">(${signature(info)})</span>${info.visibility === "public" ? nothing : html`<span class="chip">internal</span>`}</span>
      ${info.doc ? html`<span class="doc cut">${info.doc.split("\n", 1)[0]}</span>` : nothing}
    </span>
    <span class="num">${stats ? number(stats.calls) : html`<span class="dim">–</span>`}</span>
    <span class=${`num ${stats?.errors ? "bad" : "dim"}`}>${stats ? (stats.errors ? number(stats.errors) : "0") : nothing}</span>
    <span class="num soft">${duration(stats?.p50)}</span>
    <span class="num soft">${duration(stats?.p95)}</span>
    <span class="trend hide-narrow">${stats ? (stats.errors ? bars(stats.errorsByMinute, { label: "Errors a minute" }) : sparkline(stats.callsByMinute, { label: "Calls a minute" })) : nothing}</span>
  </a>`;

/** "item: str, cents: int = 420". @param {FunctionInfo} info */
function signature({ arguments: text }) {
  const schema = schemaOf(text);
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {})
    .map(([name, property]) => `${name}: ${typeText(schema, /** @type {any} */ (property), required.has(name)).replace(/,.*(?= =)|,.*$/, "")}`)
    .join(", ");
}
