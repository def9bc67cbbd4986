/** Live: the queries that are subscribed to, what each depends on and costs, and what would make it cheaper. */

import { address, link, setParams } from "../ui/address.js";
import { live } from "../ui/api.js";
import { marked } from "../ui/conflict_parts.js";
import { duration, functionName, number, plural, relative, when } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { footprint, forNothing, isWhole, keyOf, meter, tableFootprint, wokenBy } from "../ui/live_queries.js";
import { html, keyed, nothing, signal } from "../ui/render.js";
import { empty, pageHead, showPanel, shown } from "../ui/states.js";
import { table } from "../ui/table.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { LiveQuery } from "../ui/live_queries.js" */

/** By what the list is sorted, the most first. @type {Record<string, (query: LiveQuery) => number>} */
const ORDERS = {
  cost: (query) => query.spent,
  takes: (query) => query.milliseconds ?? 0,
  runs: (query) => query.runs,
  nothing: (query) => query.unchanged,
  subscribers: (query) => query.subscribers,
};
const CODE = `from convexpy import QueryCtx, query

@query
def list_messages(ctx: QueryCtx, channel: str) -> list[str]:
    return list(ctx.db.scalars(select(Message.text).where(Message.channel == channel)))

# In a page:
client.subscribe("messages:list_messages", { channel: "a" }, show)`;

const param = (/** @type {string} */ name) => address.value.params.get(name);
const order = () => ((param("sort") ?? "cost") in ORDERS ? param("sort") ?? "cost" : "cost");

/** @type {Page} */
export default {
  title: "Live",
  hasStyle: true,
  open(scope) {
    const queries = live("_system/live:list");
    const wanted = signal(param("text") ?? "");
    const all = () => /** @type {LiveQuery[]} */ (queries.value ?? []);
    const fitting = () => all().filter((query) => fits(query, wanted.value)).sort(compared);
    const list = table({
      label: "Live queries",
      columns: () => columns(Math.max(1, ...all().map(({ spent }) => spent))),
      groups: () => [{ id: "all", items: fitting() }],
      key: keyOf,
      href: (query) => link("/live", { ...kept(), query: keyOf(query) }),
      lineClass: (query) => (keyOf(query) === param("query") ? "sel" : ""),
      context: () => `${order()} ${wanted.value}`,
      isLoading: () => queries.isLoading,
    });
    scope.keys({ Esc: () => (param("query") ? setParams({ query: null }) : false) });
    return () => {
      const open = all().find((query) => keyOf(query) === param("query"));
      const page = html`
        <div class="page">
          ${pageHead("Live", { note: queries.value ? summary(all()) : nothing })}
          ${shown(queries, () => (all().length === 0 ? teach() : html`${filter(wanted)}${nothingFits(fitting(), wanted)}${list.view()}`))}
        </div>`;
      return html`<div class=${open ? "live-page split" : "live-page"}>${page}${open ? keyed([open], keyOf, panel) : nothing}</div>`;
    };
  },
};

const kept = () => ({ sort: param("sort"), text: param("text") });

/** @param {LiveQuery} a @param {LiveQuery} b */
function compared(a, b) {
  const by = ORDERS[order()];
  return by(b) - by(a) || b.runs - a.runs || a.function.localeCompare(b.function) || a.arguments.localeCompare(b.arguments);
}

/** @param {LiveQuery} query @param {string} text */
function fits(query, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const said = [query.function, ...query.reads, ...query.invalidatedBy, String(query.process)].join(" ").toLowerCase();
  return words.every((word) => said.includes(word));
}

/** @param {LiveQuery[]} all */
function summary(all) {
  const subscribers = all.reduce((sum, each) => sum + each.subscribers, 0);
  const wholes = all.filter(isWhole).length;
  return html`<span class="hide-narrow">${plural(all.length, "query", "queries")}, for ${plural(subscribers, "subscriber")}${wholes ? html`, <span class="warn">${number(wholes)} read a whole table</span>` : nothing}</span>`;
}

/** @param {import("../ui/render.js").Signal<string>} wanted */
function filter(wanted) {
  const change = (/** @type {any} */ event) => {
    wanted.value = event.target.value;
    setParams({ text: wanted.value });
  };
  return html`
    <div class="filters">
      <label class="field">${icon("search")}<span class="vh">Filter</span>
        <input data-filter type="search" placeholder="Filter by function, table, or what woke it" .value=${wanted.value} @input=${change}></label>
      <kbd class="hide-narrow">/</kbd>
    </div>`;
}

/** @param {LiveQuery[]} found @param {import("../ui/render.js").Signal<string>} wanted */
function nothingFits(found, wanted) {
  if (found.length > 0) return nothing;
  const clear = () => {
    wanted.value = "";
    setParams({ text: null });
  };
  return html`<p class="none">No live query has “${wanted.value}” in it. <button type="button" class="link" @click=${clear}>Take the filter off</button></p>`;
}

/** @param {number} most the largest cost @returns {import("../ui/table.js").Column[]} */
function columns(most) {
  const sorted = (/** @type {string} */ name) => ({
    sorted: /** @type {"descending" | "none"} */ (order() === name ? "descending" : "none"),
    onSort: () => setParams({ sort: name === "cost" ? null : name }),
  });
  return [
    { id: "query", title: "Query", width: 216, place: "what", view: queryCell },
    { id: "subscribers", title: "Watched by", width: 88, isNumber: true, view: (query) => number(query.subscribers), ...sorted("subscribers") },
    { id: "footprint", title: "Footprint", width: 208, place: "when", view: footprint },
    { id: "woken", title: "Last woken by", width: 220, view: (query) => html`${query.invalidatedBy.length ? wokenBy(query, functionName) : html`<span class="soft">its first run</span>`} <span class="dim">${relative(query.lastRun)}</span>` },
    { id: "takes", title: "Takes", width: 76, isNumber: true, view: (query) => duration(query.milliseconds), ...sorted("takes") },
    { id: "runs", title: "Runs", width: 76, isNumber: true, place: "size", view: (query) => html`${number(query.runs)}${" "}<span class="only-narrow dim">runs</span>`, ...sorted("runs") },
    { id: "nothing", title: "For nothing", width: 116, isNumber: true, view: nothingCell, ...sorted("nothing") },
    { id: "cost", title: "Time in all", isNumber: true, place: "state", view: (query) => meter(query.spent / most, html`<span class="wide-value">${duration(query.spent)}</span>`, query.advice.length ? "c" : ""), ...sorted("cost") },
  ];
}

/** @param {LiveQuery} query */
const queryCell = (query) => html`
  ${query.error ? html`<span class="state failed" title=${query.error}>${icon("warning")}<span class="vh">fails</span></span> ` : nothing}${functionName(query.function)}${query.identity ? html`<span class="dim"> as ${query.identity}</span>` : nothing}`;

/** @param {LiveQuery} query */
function nothingCell(query) {
  const share = forNothing(query);
  return meter(share, `${Math.round(share * 100)} %`, share > 0.5 && query.runs >= 20 ? "c" : "");
}

/** @param {LiveQuery} query */
function panel(query) {
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) => html`<dt>${name}</dt><dd>${value}</dd>`;
  return html`
    <aside class="side" aria-label="A live query" ref=${showPanel}>
      <header><h2 class="cut">${functionName(query.function)}</h2>
        <button type="button" class="btn quiet icon push" aria-label="Close" title="Close" @click=${() => setParams({ query: null })}>${icon("x")}</button></header>
      ${query.error ? html`<div class="problem"><p class="state failed">${icon("warning")}<strong>It raises an error</strong></p><pre class="soft">${query.error}</pre></div>` : nothing}
      ${query.advice.map((each) => html`<div class="advice">${icon("info")}<p>${marked(each)}</p></div>`)}
      <div class="block"><h3>What it depends on</h3>${footprints(query)}</div>
      <dl class="facts block">
        ${fact("Watched by", plural(query.subscribers, "subscriber"))}
        ${fact("Runs as", query.identity ? html`<code>${query.identity}</code>` : html`<span class="soft">every user: it does not ask</span>`)}
        ${fact("Runs", html`${number(query.runs)}, ${number(query.unchanged)} of them for nothing`)}
        ${fact("Takes", html`${duration(query.milliseconds)}, ${duration(query.spent)} in all`)}
        ${fact("Last run", when(query.lastRun))}
        ${fact("Woken by", query.invalidatedBy.length ? query.invalidatedBy.map((each) => html`<span class="woken">${functionOrReason(each)}</span>`) : html`<span class="dim">nothing yet</span>`)}
        ${query.refresh ? fact("Refresh", html`every ${duration(query.refresh * 1000)}, next ${relative(query.nextRefresh)}`) : nothing}
        ${fact("Process", html`<code>${query.process}</code>`)}
      </dl>
      <details class="block"><summary>${icon("right")}Arguments</summary><pre class="code" tabindex="0">${query.arguments}</pre></details>
      <div class="block"><a class="btn" href=${link(`/functions/${encodeURIComponent(query.function)}`)}>${icon("functions")}Open the function</a></div>
    </aside>`;
}

/** @param {string} name */
const functionOrReason = (name) => wokenBy(/** @type {any} */ ({ invalidatedBy: [name] }), functionName);

/** @param {LiveQuery} query */
function footprints(query) {
  if (query.readsEverything) return html`<p class="warn">Every table: what it reads is not known.</p>`;
  if (query.footprint.length === 0) return html`<p class="soft">No table of the app.</p>`;
  return html`
    <ul class="parts">
      ${query.footprint.map((each) => html`
        <li><span class="mono">${tableFootprint(each)}</span>
          ${each.conditions.length ? html`<ul>${each.conditions.map((condition) => html`<li class="mono soft cut" title=${condition}>${condition}</li>`)}${each.keys > each.conditions.length ? html`<li class="dim">and ${number(each.keys - each.conditions.length)} more</li>` : nothing}</ul>` : nothing}
        </li>`)}
    </ul>`;
}

const teach = () => empty({
  title: "Nobody has subscribed to a query",
  text: "A live query runs again whenever a commit changes what it reads. Here stands what each reads, what made it run, and what it costs.",
  code: CODE,
  marked: "subscribe",
});
