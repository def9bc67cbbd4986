/** What came of a call: its result, its error, and of a dry run the rows, jobs and statements. */

import { link, part } from "../ui/address.js";
import { diffView } from "../ui/diff.js";
import { duration, functionName, number, plural, relative } from "../ui/format.js";
import { icon, state } from "../ui/icons.js";
import { jsonView } from "../ui/json.js";
import { html, nothing } from "../ui/render.js";

/** @import { FunctionInfo } from "./functions.js" */
/** @typedef {{ exception: string, message: string, code: string | null, data: string | null, trace: string }} CallError */
/** @typedef {{ value: string | null, error: CallError | null, milliseconds: number }} Outcome */
/** @typedef {Outcome & { changes: import("../ui/diff.js").TableChanges[], unknown: string[], scheduled: { name: string, time: number, milliseconds: number, args: string }[], canceled: string[], statements: { text: string, rows: number | null, milliseconds: number }[], statementCount: number }} DryOutcome */

/** The value of a JSON text; one that was cut off stays text. @param {string} text */
function valueView(text) {
  try {
    return jsonView(JSON.parse(text), { label: "Result" });
  } catch {
    return html`<pre class="json" tabindex="0">${text}</pre>`;
  }
}

/** @param {CallError} error */
const errorView = ({ exception, message, code, data, trace }) => html`
  <div class="call-error">
    <p class="state failed">${icon("errors")}<b class="mono">${code ?? exception}</b></p>
    <pre class="soft">${message}</pre>
    ${data ? html`<div class="t">Data</div>${valueView(data)}` : nothing}
    <details><summary>Traceback</summary><pre class="trace" tabindex="0">${trace}</pre></details>
  </div>`;

/** @param {Outcome} outcome @param {{ isOn: boolean, time: number, isStale: boolean }} options */
export const liveOutcome = (outcome, { isOn, time, isStale }) => html`
  <div class="sect"><h2>Result</h2>
    ${isOn ? html`<span class="chip live"><i class="dot accent"></i>live, ran ${relative(time)}</span>` : html`<span class="chip">not watched</span>`}
    <span class="dim hide-narrow">${duration(outcome.milliseconds)}</span></div>
  ${isStale ? html`<p class="hint warn">Of the last arguments that fit.</p>` : nothing}
  ${outcome.error ? errorView(outcome.error) : valueView(outcome.value ?? "null")}`;

/** @param {Outcome} outcome @param {number} time */
export const plainOutcome = (outcome, time) => html`
  <div class="sect"><h2>${outcome.error ? "It failed" : "Result"}</h2>${outcome.error ? html`<span class="chip bad">Rolled back</span>` : html`<span class="chip good">Done</span>`}
    <span class="dim">${duration(outcome.milliseconds)}, ${relative(time)}</span></div>
  ${outcome.error ? errorView(outcome.error) : valueView(outcome.value ?? "null")}`;

/** @param {DryOutcome} outcome @param {FunctionInfo} info @param {{ args: Record<string, any>, subject: string }} call */
export function dryOutcome(outcome, info, { args, subject }) {
  const { changes, unknown, scheduled, canceled, statements, statementCount, error, value } = outcome;
  const isEmpty = changes.length === 0 && unknown.length === 0;
  return html`
    <div class="sect"><h2>What it would do</h2><span class="chip warn">Rolled back</span>
      <span class="dim hide-narrow">${duration(outcome.milliseconds)}, ${plural(statementCount, "statement")}</span>
      <span class="push"></span>${copyTest(info, args, subject)}</div>
    ${error ? html`${errorView(error)}<p class="hint">${isEmpty ? "It had written nothing until then." : "Until then it had written, and all of it would be rolled back:"}</p>` : nothing}
    ${changes.length > 0 ? diffView(changes, { link: (table) => link(`/data/${part(table)}`) }) : nothing}
    ${isEmpty && !error ? html`<p class="hint">It would write no rows.</p>` : nothing}
    ${unknown.map((each) => html`<div class="advice">${icon("warning")}<p><b>Not shown:</b> ${each}.</p></div>`)}
    ${scheduled.length > 0 ? html`<div class="t">${plural(scheduled.length, "job")} scheduled</div>${scheduled.map(wouldSchedule)}` : nothing}
    ${canceled.length > 0 ? html`<div class="t">${plural(canceled.length, "job")} canceled</div>${canceled.map(wouldCancel)}` : nothing}
    ${error ? nothing : html`<div class="t">Result</div>${valueView(value ?? "null")}`}
    ${statements.length > 0 ? html`
      <div class="t">${plural(statementCount, "statement")}</div>
      <div class="statements">${statements.map(statement)}</div>
      ${statementCount > statements.length ? html`<p class="hint">${number(statementCount - statements.length)} more, not shown.</p>` : nothing}` : nothing}`;
}

/** @param {DryOutcome["scheduled"][0]} job */
const wouldSchedule = ({ name, milliseconds, args }) => html`
  <div class="note">${state("pending", { isHidden: true })}${functionName(name)}<span class="nowrap">${milliseconds < 500 ? "at once" : `in ${duration(milliseconds)}`}</span><code class="cut" title=${args}>${args}</code></div>`;

/** @param {string} id */
const wouldCancel = (id) => html`<div class="note">${state("canceled", { isHidden: true })}<a class="link mono" href=${link(`/job/${part(id)}`)}>${id}</a></div>`;

/** @param {DryOutcome["statements"][0]} sent */
const statement = ({ text, rows, milliseconds }) => html`
  <span class="cut" title=${text}>${text.replace(/\s+/g, " ")}</span><span>${rows === null ? "" : plural(rows, "row")}</span><span>${duration(milliseconds)}</span>`;

/** @param {FunctionInfo} info @param {Record<string, any>} args @param {string} subject */
function copyTest(info, args, subject) {
  const bare = info.name.slice(info.module.length + 1).replace(/\W/g, "_");
  const caller = subject ? `convex.with_identity(Identity(${JSON.stringify(subject)}))` : "convex";
  const text = `def test_${bare}(convex: ConvexTest) -> None:
    result = ${caller}.call(${JSON.stringify(info.name)}, ${python(args)})
`;
  const copy = (/** @type {any} */ event) => {
    const button = event.currentTarget;
    void navigator.clipboard?.writeText(text).then(() => {
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy as test"), 1_200);
    });
  };
  return html`<button type="button" class="btn quiet hide-narrow" title="A call of it in a pytest test" ref=${(/** @type {any} */ button) => (button.textContent = "Copy as test")} @click=${copy}></button>`;
}

/** A value as Python writes it. @param {any} value @returns {string} */
function python(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}
