/** Conflicts: which mutation lost to which, on which table, by which statements, and what makes it rarer. */

import { address, link, setParams } from "../ui/address.js";
import { live } from "../ui/api.js";
import { conflictAdvice, otherOf } from "../ui/conflict_parts.js";
import { functionName, number, plural, relative, when } from "../ui/format.js";
import { icon, stateIcon } from "../ui/icons.js";
import { meter } from "../ui/live_queries.js";
import { html, keyed, nothing } from "../ui/render.js";
import { empty, pageHead, showPanel, shown } from "../ui/states.js";
import { table } from "../ui/table.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { Conflict } from "../ui/conflict_parts.js" */

const CODE = `@mutation
def add_to_total(ctx: MutationCtx, cents: int) -> None:
    total = ctx.db.get_one(Total, 1)   # every call reads and writes one row
    total.cents += cents

@mutation
def add(ctx: MutationCtx, cents: int) -> None:
    ctx.db.add(Payment(cents=cents))   # a row of its own meets no other`;

/** Which conflict is open: its functions and its table. */
const opened = () => address.value.params.get("pair");
/** @param {Conflict} conflict */
const keyOf = ({ function: name, other, table: on }) => [name, other ?? "", on ?? ""].join(" ");

/** @type {Page} */
export default {
  title: "Conflicts",
  hasStyle: true,
  open(scope) {
    const conflicts = live("_system/conflicts:list");
    const all = () => /** @type {Conflict[]} */ (conflicts.value ?? []);
    const list = table({
      label: "Conflicts",
      columns: () => columns(Math.max(1, ...all().map(({ times }) => times))),
      groups: () => [{ id: "all", items: all() }],
      key: keyOf,
      href: (conflict) => link("/conflicts", { pair: keyOf(conflict) }),
      lineClass: (conflict) => (conflict === open() ? "sel" : ""),
      stateOf: (conflict) => conflict.times,
      isLoading: () => conflicts.isLoading,
    });
    const open = () => (opened() === "1" ? all()[0] : all().find((each) => keyOf(each) === opened()));
    scope.keys({ Esc: () => (opened() ? setParams({ pair: null }) : false) });
    return () => {
      const conflict = open();
      const page = html`
        <div class="page">
          ${pageHead("Conflicts", { note: conflicts.value ? html`<span class="hide-narrow">${summary(all())}</span>` : nothing })}
          <p class="lead">A mutation that meets another one on the same rows is rolled back and runs again, on fresh data: it costs a run, never a result.</p>
          ${shown(conflicts, () => (all().length === 0 ? teach() : list.view()))}
        </div>`;
      return html`<div class=${conflict ? "conflicts-page split" : "conflicts-page"}>${page}${conflict ? keyed([conflict], keyOf, panel) : nothing}</div>`;
    };
  },
};

/** @param {Conflict[]} all */
function summary(all) {
  const times = all.reduce((sum, each) => sum + each.times, 0);
  return all.length ? `${plural(times, "run")} rolled back, by ${plural(all.length, "pair")}` : "";
}

/** @param {number} most @returns {import("../ui/table.js").Column[]} */
const columns = (most) => [
  { id: "lost", title: "Lost", width: 228, place: "what", view: (conflict) => functionName(conflict.function) },
  { id: "to", title: "To", width: 228, place: "when", view: (conflict) => html`<span class="only-narrow dim">to </span>${otherOf(conflict)}` },
  { id: "times", title: "Times", width: 124, isNumber: true, place: "state", view: (conflict) => meter(conflict.times / most, number(conflict.times), "c") },
  { id: "table", title: "Table", width: 200, className: "mono", view: (conflict) => conflict.table ?? html`<span class="dim">not known</span>` },
  { id: "last", title: "Last", isNumber: true, place: "size", view: (conflict) => html`<span class="dim">${relative(conflict.lastTime)}</span>` },
];

/** @param {Conflict} conflict */
function panel(conflict) {
  return html`
    <aside class="side" aria-label="A conflict" ref=${showPanel}>
      <header><span class="state conflict">${stateIcon("conflict")}</span><h2 class="cut">${functionName(conflict.function)}</h2>
        <button type="button" class="btn quiet icon push" aria-label="Close" title="Close" @click=${() => setParams({ pair: null })}>${icon("x")}</button></header>
      <p class="soft">Lost to ${otherOf(conflict)} ${conflict.table ? html`on <code>${conflict.table}</code>` : nothing}, ${plural(conflict.times, "time")}.</p>
      ${conflictAdvice(conflict)}
      ${statements("What it read and wrote", conflict.lost)}
      ${statements(html`What ${otherOf(conflict)} wrote`, conflict.won)}
      <dl class="facts block"><dt>Last</dt><dd>${when(conflict.lastTime)}</dd></dl>
      <div class="block row">
        <a class="btn" href=${link(`/functions/${encodeURIComponent(conflict.function)}`)}>${icon("functions")}Open the function</a>
        <a class="btn quiet" href=${link("/logs", { function: conflict.function, outcome: "retry" })}>Its retries in the log</a>
      </div>
    </aside>`;
}

/** @param {unknown} title @param {string[]} texts */
const statements = (title, texts) => html`
  <div class="block">
    <h3>${title}</h3>
    ${texts.length ? texts.map((text) => html`<pre class="code statement" tabindex="0">${text}</pre>`) : html`<p class="dim">Its statements are not known to the process that noticed the conflict.</p>`}
  </div>`;

const teach = () => empty({
  title: "No mutation has met another one",
  text: "Mutations run as if each were alone. Two that touch the same rows at the same time cannot both be right, so one of them runs again. Here stands which, on which table, and what to do.",
  code: CODE,
  marked: "a row of its own",
});
