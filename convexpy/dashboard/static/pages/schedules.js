/** Schedules: what is due, what runs, what failed; filtered, selected, and changed in bulk. */

import { address, link, setParams } from "../ui/address.js";
import { isWritable, live, query, session } from "../ui/api.js";
import { strip } from "../ui/charts.js";
import { count, isUtc, number, now, showUtc } from "../ui/format.js";
import { icon, state } from "../ui/icons.js";
import { actOnMany, cancelOne, openReschedule, retryOne, runNow } from "../ui/job_actions.js";
import { argsOrError, attemptsOf, isOver, jobWhen, ranFor, scheduledBy } from "../ui/job_parts.js";
import { openNewJob } from "../ui/new_job.js";
import { effect, html, nothing, signal } from "../ui/render.js";
import { functionName } from "../ui/format.js";
import { pageHead, problem, waitingLines } from "../ui/states.js";
import { table } from "../ui/table.js";
import { filterBar } from "../ui/tokens.js";
import { nothingYet } from "./schedules_empty.js";
import { figures } from "./schedules_figures.js";
import {
  chooseStates,
  chooseTime,
  filterOf,
  searchedText,
  showTokens,
  states,
  timeRange,
  tokenNames,
  tokens,
} from "./schedules_filter.js";
import { FoundJobs } from "./schedules_found.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { Job } from "../ui/job_parts.js" */
/** @import { Filter } from "./schedules_filter.js" */
/** @import { Token } from "../ui/tokens.js" */

const TABS = ["pending", "inProgress", "success", "failed", "canceled"];
/** @type {Page} */
export default {
  title: "Schedules",
  hasStyle: true,
  open(scope) {
    searchedText.value = "";
    const ofHour = live("_system/jobs:figures");
    const minutes = live("_system/jobs:strip");
    const counts = live.of(() => ["_system/jobs:counts", { filter: filterOf({ withoutStates: true }) }]);
    const functions = live("_system/functions:list");
    const crons = live("_system/crons:list");
    const found = new FoundJobs();
    const isAll = signal(false); // the selection is everything that fits
    const names = (/** @type {{ value?: { name: string }[] }} */ list) => () =>
      (list.value ?? []).map(({ name }) => name);
    const bar = filterBar({
      tokens,
      names: tokenNames({ functions: names(functions), crons: names(crons) }),
      onChange: showTokens,
      placeholder: "Filter by function, cron, time, or text in arguments and errors",
    });
    const jobs = table({
      label: "Jobs",
      columns: COLUMNS,
      groups: () => groupsOf(found, counts.value),
      key: (job) => job.id,
      href: (job) => link(`/job/${job.id}`),
      name: (job) => `${job.name} ${job.id}`,
      isSelectable: session.value?.writable !== false,
      stateOf: (job) => job.state,
      context: () => JSON.stringify([filterOf(), address.value.params.get("pending")]),
      isLoading: () => found.isLoading,
      onEnd: () => void found.more(),
    });
    let answered = "";
    scope.onClose(
      effect(() => {
        const asked = JSON.stringify(filterOf());
        const isAnother = !found.isLoading && asked !== answered;
        if (isAnother || jobs.selected.value.size === 0) isAll.value = false;
        if (!isAnother) return;
        answered = asked;
        jobs.clear(); // also what was selected while the lines of the filter before were still there
      }),
    );
    const selection = selectionOf(jobs, isAll, counts);
    const one = () =>
      /** @type {Job | undefined} */ (jobs.selected.peek().size > 0 ? undefined : found.byId(jobs.focused.peek()));
    scope.keys({
      n: { label: "New job", run: () => isWritable() && openNewJob() },
      r: () => isWritable() && (selection.size() > 0 ? selection.again() : again(one())),
      c: () => isWritable() && (selection.size() > 0 ? selection.cancel() : cancel(one())),
    });
    scope.commands = () =>
      isWritable() ? [{ label: "New job…", run: () => openNewJob(), key: "n", icon: "plus" }] : [];
    const whyNothing = reasons();

    return () => {
      const isNew = found.isEmpty && tokens().length === 0 && states().length === 0;
      if (isNew) return nothingYet();
      return html`
        <div class="page">
          ${pageHead("Schedules", { buttons: buttons() })}
          ${figures(ofHour.value)}
          ${timeStrip(minutes.value)}
          ${tabs(counts.value)}
          ${bar()}
          ${found.error ? problem(found.error, { what: "The jobs cannot be shown" }) : nothing}
          ${found.value === undefined && !found.error ? waitingLines(8) : found.isEmpty ? whyNothing() : jobs.view()}
          ${found.isCut ? goOn(found) : nothing}
          ${isWritable() ? selection.bar() : nothing}
        </div>`;
    };
  },
};

/** @param {Job | undefined} job */
function again(job) {
  if (!job || job.state === "inProgress") return false;
  void (isOver(job) ? retryOne(job) : runNow(job));
}

/** @param {Job | undefined} job */
function cancel(job) {
  if (!job || isOver(job)) return false;
  void cancelOne(job);
}

const COLUMNS = [
  {
    id: "state",
    title: "State",
    width: 116,
    place: /** @type {const} */ ("state"),
    view: (/** @type {Job} */ job) => state(job.state),
  },
  {
    id: "name",
    title: "Function",
    width: 236,
    place: /** @type {const} */ ("what"),
    view: (/** @type {Job} */ job) => functionName(job.name),
  },
  { id: "when", title: "When", width: 178, place: /** @type {const} */ ("when"), view: jobWhen },
  { id: "ran", title: "Ran for", width: 78, isNumber: true, place: /** @type {const} */ ("size"), view: ranFor },
  { id: "attempts", title: "Attempts", width: 94, view: attemptsOf },
  { id: "by", title: "Scheduled by", width: 240, view: scheduledBy },
  { id: "args", title: "Arguments or error", view: argsOrError },
];

const buttons = () => html`
  <div class="seg hide-narrow" role="group" aria-label="Times">
    <button type="button" aria-pressed=${isUtc.value} @click=${() => showUtc(true)}>UTC</button>
    <button type="button" aria-pressed=${!isUtc.value} @click=${() => showUtc(false)}>Local</button>
  </div>
  ${isWritable() ? html`<button type="button" class="btn primary" @click=${() => openNewJob()}>${icon("plus")}New job <kbd class="hide-narrow">n</kbd></button>` : nothing}`;

/** @param {any[] | undefined} minutes */
function timeStrip(minutes) {
  if (!minutes) return html`<div class="strip-place"></div>`;
  const range = timeRange();
  const chosen = /** @type {[number, number] | null} */ (
    range?.since !== undefined && range.until !== undefined ? [range.since, range.until] : null
  );
  return strip({ minutes, now: now.value, chosen, onChoose: chooseTime });
}

const legend = html`
  <span class="legend push hide-narrow" aria-hidden="true"><span>Each minute</span>
    <span><i class="key ran"></i>ran</span><span><i class="key failed"></i>failed</span><span><i class="key due"></i>due</span></span>`;

/** @param {Record<string, { count: number, more: boolean }> | undefined} counts */
function tabs(counts) {
  const chosen = states();
  const all = () => chooseStates([]);
  const tab = (/** @type {string} */ name) => html`
    <button type="button" aria-current=${chosen.length === 1 && chosen[0] === name ? "true" : nothing} @click=${() => chooseStates([name])}>
      ${state(name)}<span class="n">${counts ? count(counts[name]) : ""}</span></button>`;
  return html`
    <div class="tabs" role="group" aria-label="State">
      <button type="button" aria-current=${chosen.length === 0 ? "true" : nothing} @click=${all}>All</button>${TABS.map(tab)}${legend}
    </div>`;
}

/** @param {FoundJobs} found @param {Record<string, { count: number, more: boolean }> | undefined} counts */
function groupsOf(found, counts) {
  const of = (/** @type {(job: Job) => boolean} */ fits) => found.jobs.filter(fits);
  const [running, pending] = [of((job) => job.state === "inProgress"), of((job) => job.state === "pending")];
  const all = html`<button type="button" class="link" @click=${() => setParams({ pending: "all" })}>Show all</button>`;
  return [
    { id: "running", title: "In progress", note: number(running.length), items: running },
    {
      id: "pending",
      title: "Pending",
      note: html`${counts?.pending ? count(counts.pending) : number(pending.length)}, soonest first${found.hasMorePending ? html`. ${all}` : nothing}`,
      items: pending,
    },
    { id: "finished", title: "Finished", note: "latest first", items: of(isOver) },
  ];
}

/** @param {FoundJobs} found */
const goOn = (found) => html`
  <p class="pager">Looked at ${number(found.lookedAt)} jobs.
    <button type="button" class="btn quiet accent" ?disabled=${found.isLoadingMore} @click=${() => found.more({ isAsked: true })}>Go on</button></p>`;

/** Which tokens leave nothing: those without which there would be something. */
function reasons() {
  const asked = signal("");
  const found = signal(/** @type {{ token: Token, count: number, more: boolean }[]} */ ([]));
  const ask = async (/** @type {string} */ key, /** @type {Token[]} */ shown, /** @type {Filter} */ filter) => {
    const without = shown.map((token) => filterOf({ tokens: shown.filter((each) => each !== token) }));
    const answers = await Promise.all(
      without.map((each) =>
        query("_system/jobs:counts", { filter: { ...each, states: filter.states } }).catch(() => ({})),
      ),
    );
    if (asked.peek() !== key) return;
    found.value = answers.map((answer, at) => {
      const counts = /** @type {{ count: number, more: boolean }[]} */ (Object.values(answer));
      return {
        token: shown[at],
        count: counts.reduce((sum, each) => sum + each.count, 0),
        more: counts.some((each) => each.more),
      };
    });
  };
  return () => {
    const shown = tokens();
    const key = JSON.stringify([shown, states()]);
    if (asked.peek() !== key) {
      queueMicrotask(() => {
        [asked.value, found.value] = [key, []];
        void ask(key, shown, filterOf());
      });
    }
    const helpful = found.value.filter((each) => each.count > 0);
    return html`
      <div class="no-jobs">
        <p>No job fits.</p>
        ${helpful.map(
          ({ token, count: left, more }) => html`
            <p class="soft">Without <span class="token"><span>${token.name}</span><b>${token.isOut ? "not " : ""}${token.word ?? token.value}</b></span>
              there ${left === 1 ? "is" : "are"} ${number(left)}${more ? "+" : ""}.
              <button type="button" class="btn quiet accent" @click=${() => showTokens(shown.filter((each) => each !== token))}>Take it off</button></p>`,
        )}
        ${states().length > 0 && helpful.length === 0 ? html`<p><button type="button" class="btn" @click=${() => chooseStates([])}>Show all states</button></p>` : nothing}
      </div>`;
  };
}

/**
 * What is selected: lines, or everything that fits.
 * @param {import("../ui/table.js").List} jobs @param {{ value: boolean, peek(): boolean }} isAll @param {import("../ui/api.js").Live} counts
 */
function selectionOf(jobs, isAll, counts) {
  const of = (/** @type {string[]} */ kinds) => {
    if (isAll.value) {
      const known = /** @type {[string, { count: number, more: boolean }][]} */ (Object.entries(counts.value ?? {}));
      const chosen = states();
      const fitting = known
        .filter(([name]) => kinds.includes(name) && (chosen.length === 0 || chosen.includes(name)))
        .map(([, each]) => each);
      return {
        count: fitting.reduce((sum, each) => sum + each.count, 0),
        more: fitting.some((each) => each.more),
        ids: [],
      };
    }
    const ids = /** @type {Job[]} */ (jobs.selectedItems())
      .filter((job) => kinds.includes(job.state))
      .map((job) => job.id);
    return { count: ids.length, more: false, ids };
  };
  const act = (/** @type {import("../ui/job_actions.js").Action} */ action, /** @type {string[]} */ kinds) => {
    const { count: size, ids } = of(kinds);
    if (size === 0) return;
    const names = new Set(/** @type {Job[]} */ (jobs.selectedItems()).map(({ name }) => name));
    const filter = filterOf();
    if (isAll.peek())
      void actOnMany(action, { filter }, { of: filter.functions?.length === 1 ? filter.functions[0] : null });
    else void actOnMany(action, { ids }, { of: names.size === 1 ? [...names][0] : null });
    jobs.clear();
  };
  const waiting = ["pending"];
  const unfinished = ["pending", "inProgress"];
  const over = ["success", "failed", "canceled"];
  const jobsOf = (/** @type {{ count: number, more: boolean }} */ each) =>
    `${count(each)} ${each.count === 1 && !each.more ? "job" : "jobs"}`;
  const cancelAll = () => act("cancel", unfinished);
  const retryAll = () => act("retry", over);
  const runAll = () => act("run_now", waiting);
  const bar = () => {
    if (jobs.selected.value.size === 0) return nothing;
    const [pending, open, ended, all] = [of(waiting), of(unfinished), of(over), of(TABS)];
    const total = counts.value ? totalOf(counts.value) : null;
    const reschedule = () =>
      openReschedule(isAll.peek() ? { filter: filterOf() } : { ids: pending.ids }, jobsOf(pending));
    const isMore = !isAll.value && total !== null && (total.more || total.count > all.count);
    return html`
      <div class="float-row">
        <div class="bulk" role="toolbar" aria-label="Selected jobs">
          <strong>${count(all)} selected</strong>
          ${isMore && total ? html`<button type="button" class="btn quiet accent" @click=${() => (isAll.value = true)}><span class="hide-narrow">Select all ${count(total)} that match</span><span class="only-narrow">All ${count(total)}</span></button>` : nothing}
          <span class="rule"></span>
          ${
            pending.count > 0
              ? html`<button type="button" class="btn quiet" @click=${runAll}>${icon("play")}Run now</button>
            <button type="button" class="btn quiet" @click=${reschedule}>${icon("cal")}Reschedule…</button>`
              : nothing
          }
          ${ended.count > 0 ? html`<button type="button" class="btn quiet" @click=${retryAll}>${icon("retry")}Retry ${jobsOf(ended)}</button>` : nothing}
          ${open.count > 0 ? html`<button type="button" class="btn quiet danger" @click=${cancelAll}>${icon("x")}Cancel ${jobsOf(open)}</button>` : nothing}
          <span class="rule"></span>
          <button type="button" class="btn quiet icon" aria-label="Select nothing" @click=${() => jobs.clear()}>${icon("x")}</button>
        </div>
      </div>`;
  };
  return {
    bar,
    size: () => jobs.selected.peek().size,
    cancel: cancelAll,
    again: () => (of(over).count > 0 ? retryAll() : runAll()),
  };
}

/** @param {Record<string, { count: number, more: boolean }>} counts */
function totalOf(counts) {
  const chosen = states();
  const fitting = Object.entries(counts)
    .filter(([name]) => chosen.length === 0 || chosen.includes(name))
    .map(([, each]) => each);
  return { count: fitting.reduce((sum, each) => sum + each.count, 0), more: fitting.some((each) => each.more) };
}
