/** What changes of rows would do, or why they cannot be made. */

import { diffView } from "../ui/diff.js";
import { number } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { html, nothing } from "../ui/render.js";
import { keyText, kindsOf, sentence } from "./data_cells.js";
import { diffOf } from "./data_pending.js";

/** @import { Table } from "./data_cells.js" */
/** @import { Effect, Outcome } from "./data_pending.js" */

const WORDS = /** @type {Record<string, string>} */ ({
  cascade: "go with it",
  "set null": "lose their reference",
  "set default": "get the default reference",
  "no action": "refuse it",
  restrict: "refuse it",
});

/** @param {Table | undefined} table @param {readonly Outcome[]} outcomes */
export function outcomesView(table, outcomes) {
  const problems = outcomes.filter(({ problem: each }) => each !== null);
  const done = outcomes.filter(({ problem: each }) => each === null);
  const effects = outcomes.flatMap(({ effects: each }) => each);
  return html`
    ${problems.map(({ key, problem: each }) => html`<div class="problem" role="alert"><p><code>${keyText(key)}</code>: ${each?.column && each.differences.length === 0 ? html`<code>${each.column}</code><span class="beside">${each.message}.</span>` : each && sentence(each.message)}</p></div>`)}
    ${table && done.length > 0 ? diffView(diffOf(table.name, done, kindsOf(table))) : nothing}
    ${effects.length > 0 ? html`<ul class="effects">${effects.map(effectView)}</ul>` : nothing}`;
}

/** @param {Effect} effect */
function effectView({ table, action, columns, count, more }) {
  return html`<li class="advice">${icon("warning")}<p><b>${number(count)}${more ? "+" : ""} ${count === 1 ? "row" : "rows"} of ${table}</b> ${WORDS[action] ?? action}, by <code>${columns.join(", ")}</code>.</p></li>`;
}
