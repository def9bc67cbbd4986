/** Health: is everything on time, and is there enough of everything? */

import { address, link, setParams } from "../ui/address.js";
import { live } from "../ui/api.js";
import { chart } from "../ui/charts.js";
import { bytes, dayClock, duration, functionName, minuteClock, now, number, plural, relative } from "../ui/format.js";
import { stateIcon } from "../ui/icons.js";
import { footprint, forNothing, isWhole, meter, wokenBy } from "../ui/live_queries.js";
import { conflictAdvice } from "../ui/conflict_parts.js";
import { html, nothing } from "../ui/render.js";
import { pageHead, problem, shown, waitingLines } from "../ui/states.js";
import { doctor } from "./health_doctor.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { LiveQuery } from "../ui/live_queries.js" */

const RANGES = /** @type {Record<string, { minutes: number, word: string, note: string }>} */ ({
  "1h": { minutes: 60, word: "1 h", note: "last 60 minutes" },
  "24h": { minutes: 1_440, word: "24 h", note: "last 24 hours" },
  "7d": { minutes: 10_080, word: "7 d", note: "last 7 days" },
});
const SHOWN_CONFLICTS = 3;
const SHOWN_QUERIES = 4;

const range = () => (address.value.params.get("range") ?? "1h") in RANGES ? address.value.params.get("range") ?? "1h" : "1h";

/** @type {Page} */
export default {
  title: "Health",
  hasStyle: true,
  open() {
    const figures = live.of(() => ["_system/health:figures", { minutes: RANGES[range()].minutes }]);
    const workers = live("_system/health:workers");
    const database = live("_system/health:database");
    const conflicts = live("_system/conflicts:list");
    const queries = live("_system/live:list");
    const findings = doctor();
    return () => html`
      <div class="page health">
        ${pageHead("Health", { note: html`<span class="hide-narrow">${RANGES[range()].note}</span>`, isLive: false, buttons: rangeChoice() })}
        ${figures.value ? charts(figures.value) : figures.error ? problem(figures.error) : html`<div class="charts">${waitingLines(4)}</div>`}
        <div class="pairs">
          <section aria-labelledby="health-conflicts">${shown(conflicts, (value) => conflictTable(value, figures.value))}</section>
          <section aria-labelledby="health-workers">
            ${shown(workers, workerTable)}
            ${database.value ? databaseFacts(database.value) : nothing}
          </section>
        </div>
        <div class="pairs wide">
          <section aria-labelledby="health-live">${shown(queries, queryTable)}</section>
          <section aria-labelledby="health-doctor" class=${address.value.params.get("doctor") === "all" ? "whole" : ""}>${findings()}</section>
        </div>
      </div>`;
  },
};

function rangeChoice() {
  return html`
    <span class="seg" role="group" aria-label="Range">
      ${Object.entries(RANGES).map(([name, { word }]) => html`
        <button type="button" aria-pressed=${range() === name} @click=${() => setParams({ range: name === "1h" ? null : name })}>${word}</button>`)}
    </span>`;
}

/** A rate: two digits where it is small. @param {number} value */
const rate = (value) => number(value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(2)));

/** @param {any} figures */
function charts({ points, late, p50, p95 }) {
  const times = points.map((/** @type {any} */ each) => each.start);
  const values = (/** @type {string} */ name) => points.map((/** @type {any} */ each) => each[name]);
  const last = points.at(-1);
  const [lateValue, lateUnit] = split(duration(late));
  const timeOf = range() === "7d" ? dayClock : minuteClock;
  return html`
    <div class="charts">
      ${chart({ title: "Jobs a second", times, timeOf, format: rate, figure: rate(last.jobs), series: [{ name: "jobs", values: values("jobs"), kind: "area" }] })}
      ${chart({ title: "Lag of the oldest", times, timeOf, format: duration, figure: lateValue, unit: lateUnit, series: [{ name: "lag", values: values("delay").map((/** @type {number | null} */ each) => each ?? 0), kind: "area" }] })}
      ${chart({
        title: "Duration", times, timeOf, format: duration,
        figure: p50 === null ? "–" : `${duration(p50)} / ${duration(p95)}`, unit: "p50 / p95",
        series: [{ name: "p50", values: values("p50"), kind: "solid" }, { name: "p95", values: values("p95"), kind: "dashed" }],
      })}
    </div>`;
}

/** "0.4 s" in its number and its unit. @param {string} text */
const split = (text) => text.split(" ");

/** @param {any[]} conflicts @param {any} figures */
function conflictTable(conflicts, figures) {
  const about = (/** @type {number} */ value) => number(Math.round((value * figures.minutes) / figures.lookedAt));
  const isAbout = figures && figures.minutes > figures.lookedAt;
  const again = figures ? html`<span class="dim">${isAbout ? "about " : ""}${about(figures.retries)} of ${about(figures.calls)} runs were tried again</span>` : nothing;
  const head = html`<div class="sect"><h2 id="health-conflicts">Conflicts, who lost to whom</h2>${again}<a class="link push" href=${link("/conflicts")}>Open Conflicts</a></div>`;
  if (conflicts.length === 0) return html`${head}<p class="none">No mutation has met another one on the same rows.</p>`;
  const most = conflicts[0].times;
  return html`
    ${head}
    <table class="flow">
      <thead><tr><th class="c-lost">Lost</th><th>To</th><th class="c-table">Table</th><th class="num c-times">Times</th><th class="num c-last">Last</th></tr></thead>
      <tbody>
        ${conflicts.slice(0, SHOWN_CONFLICTS).map((each) => html`
          <tr>
            <td class="o1">${functionName(each.function)}</td>
            <td class="o3">${each.other ? functionName(each.other) : html`<span class="soft">another transaction</span>`}</td>
            <td class="mono x">${each.table ?? ""}</td>
            <td class="num o2">${meter(each.times / most, number(each.times), "c")}</td>
            <td class="num dim o4">${relative(each.lastTime)}</td>
          </tr>`)}
      </tbody>
    </table>
    ${conflictAdvice(conflicts[0], html`<a class="link" href=${link("/conflicts", { pair: 1 })}>The statements</a>`)}`;
}

/** @param {any} given */
function workerTable({ workers, actionConcurrency, heartbeatTimeout }) {
  const isAlive = (/** @type {any} */ worker) => worker.isAlive && now.value - worker.heartbeatTime <= heartbeatTimeout * 1000;
  const alive = workers.filter(isAlive).length;
  const lost = workers.length - alive;
  const most = Math.max(1, ...workers.map((/** @type {any} */ each) => each.mutations));
  const hosts = new Set(workers.map((/** @type {any} */ each) => each.host));
  return html`
    <div class="sect"><h2 id="health-workers">Workers</h2><span class="dim">${alive} alive${lost ? html`, <span class="bad">${lost} lost</span>` : nothing}</span></div>
    ${workers.length === 0
      ? html`<p class="none">No worker is registered: scheduled jobs do not run. Start one: <code>convexpy worker</code></p>`
      : html`
    <table class="flow">
      <thead><tr><th>Worker</th><th class="c-held">Mutations</th><th class="c-held">Actions</th><th class="num c-last">Heard</th></tr></thead>
      <tbody>
        ${workers.map((/** @type {any} */ worker) => html`
          <tr>
            <td class="o1" title=${`${worker.host}, process ${worker.pid}, worker ${worker.id}`}>
              <span class=${`state ${isAlive(worker) ? "success" : "failed"}`}>${stateIcon(isAlive(worker) ? "success" : "failed")}
                <b class="cut">${hosts.size > 1 ? `${worker.host} ` : "pid "}${worker.pid}</b><span class="vh">${isAlive(worker) ? "alive" : "lost"}</span></span>
            </td>
            <td class="o3" title="Jobs that it holds">${meter(worker.mutations / most, number(worker.mutations))} held</td>
            <td class="x">${meter(worker.actions / actionConcurrency, number(worker.actions))} of ${number(actionConcurrency)}</td>
            <td class=${`num o2 ${isAlive(worker) ? "soft" : "bad"}`}>${relative(worker.heartbeatTime)}</td>
          </tr>`)}
      </tbody>
    </table>`}`;
}

/** @param {any} database */
function databaseFacts({ kind, version, size, logSize, ownConnections, allConnections, mostConnections }) {
  const fact = (/** @type {string} */ name, /** @type {unknown} */ value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`
    <dl class="strip-facts">
      ${fact("Database", `${kind} ${version}`)}
      ${size === null ? nothing : fact("Size", bytes(size))}
      ${logSize === null ? nothing : fact("Write-ahead log", bytes(logSize))}
      ${allConnections === null ? nothing : fact("Connections", html`${number(ownConnections)} <span class="dim">of convexpy, ${number(allConnections)} in all, at most ${number(mostConnections)}</span>`)}
    </dl>`;
}

/** @param {LiveQuery[]} all */
function queryTable(all) {
  const subscribers = all.reduce((sum, each) => sum + each.subscribers, 0);
  const dearest = [...all].sort((a, b) => b.spent - a.spent || b.runs - a.runs).slice(0, SHOWN_QUERIES);
  return html`
    <div class="sect"><h2 id="health-live">Live queries</h2><span class="dim">${number(all.length)}, for ${plural(subscribers, "subscriber")}</span><a class="link push" href=${link("/live")}>Open Live</a></div>
    ${all.length === 0
      ? html`<p class="none">Nobody has subscribed to a query.</p>`
      : html`
    <table class="flow">
      <thead><tr><th class="c-query">Query</th><th class="num c-by">Watched by</th><th>Footprint</th><th class="c-woken">Last woken by</th><th class="num c-runs">Runs</th><th class="num c-same">For nothing</th></tr></thead>
      <tbody>
        ${dearest.map((query) => html`
          <tr>
            <td class="o1">${functionName(query.function)}</td>
            <td class="num x">${number(query.subscribers)}</td>
            <td class="o3">${footprint(query)}</td>
            <td class="x">${wokenBy(query, functionName)}</td>
            <td class="num x">${number(query.runs)}</td>
            <td class="num o2">${meter(forNothing(query), `${Math.round(forNothing(query) * 100)} %`, isWhole(query) && forNothing(query) > 0.5 ? "c" : "")}</td>
          </tr>`)}
      </tbody>
    </table>`}`;
}

