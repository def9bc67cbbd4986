/** Logs: what runs and what it says, as it happens. */

import { address, link, setParams } from "../ui/address.js";
import { live, query } from "../ui/api.js";
import { isUtc, number, plural } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { batch, computed, effect, html, keyed, nothing, signal } from "../ui/render.js";
import { empty, pageHead, problem, waitingLines } from "../ui/states.js";
import { filterBar } from "../ui/tokens.js";
import { entriesOf, merged } from "./log_entries.js";
import { entryView } from "./log_lines.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { LogLine } from "./log_entries.js" */

const NAMES = ["function", "outcome", "level", "request", "job", "text"];
const TABS = /** @type {{ word: string, outcome?: string, level?: string }[]} */ ([
  { word: "All" },
  { word: "Failed", outcome: "failed" },
  { word: "Tried again", outcome: "retry" },
  { word: "Warnings", level: "WARNING" },
  { word: "Errors", level: "ERROR" },
]);
const LIMIT = 300;
const MOST = 1_000;
const NEAR = 32; // pixels from the end that count as the end
const CODE = `from convexpy import MutationCtx, mutation

@mutation
def place_order(ctx: MutationCtx, item: str) -> None:
    ctx.log.info("reserved one", extra={"item": item})`;

const param = (/** @type {string} */ name) => address.value.params.get(name);
const filters = () => Object.fromEntries(NAMES.map((name) => [name, param(name)]).filter(([, value]) => value));

/** @type {Page} */
export default {
  title: "Logs",
  hasStyle: true,
  open(scope) {
    const limit = signal(LIMIT);
    const answer = live.of(() => ["_system/logs:lines", { ...filters(), limit: limit.value }]);
    const lines = signal(/** @type {LogLine[]} */ ([]));
    const entries = computed(() => entriesOf(lines.value));
    const tail = follower(() => lines.value.length);
    const bar = filter(() => lines.value);
    let context = "";
    scope.onClose(effect(() => {
      const [now, isLoading, value] = [JSON.stringify(filters()), answer.isLoading, answer.value];
      if (isLoading || !value) return;
      lines.value = merged(now === context ? lines.peek() : [], value.lines);
      context = now;
    }));
    scope.keys({
      ".": { label: "Follow the log", run: () => tail.follow() },
      Esc: () => (Object.keys(filters()).length ? clear() : false),
    });
    return () => html`
      <div class="logs">
        <div class="logs-head">
          ${pageHead("Logs", { note: answer.value ? processes(answer.value.processes) : nothing, buttons: tail.button() })}
          ${tabs()}
          ${bar()}
        </div>
        <div class="logs-body" ref=${tail.attach} tabindex="0" role="log" aria-label="Lines of the log, the newest last" aria-live="off">
          ${body(answer, entries.value, lines.value, limit)}
        </div>
        <div class="logs-new" role="status">${tail.newLines()}</div>
      </div>`;
  },
};

/** @param {any} answer @param {import("./log_entries.js").Entry[]} entries @param {LogLine[]} lines @param {import("../ui/render.js").Signal<number>} limit */
function body(answer, entries, lines, limit) {
  if (answer.error) return problem(answer.error, { what: "The log cannot be read" });
  if (!answer.value || (answer.isLoading && lines.length === 0)) return waitingLines(12);
  if (lines.length === 0) return Object.keys(filters()).length ? nothingFits() : teach();
  const older = () => (limit.value = MOST);
  isUtc.value; // clocks of all lines change with it
  return html`
    <p class="logs-begin dim">${answer.value.hasMore && limit.value < MOST
      ? html`<button type="button" class="btn quiet" @click=${older}>${icon("up")}Older lines</button>`
      : html`${reach(answer.value.processes)}`}</p>
    <ol class="log">${keyed(entries, ({ key }) => key, entryView)}</ol>`;
}

/** How far back the lines go, in words. @param {any[]} processes */
function reach(processes) {
  const others = processes.length - 1;
  return `The newest 10,000 lines of the process that answers${others > 0 ? `, and what ${plural(others, "other process", "other processes")} showed since somebody looked` : ""}.`;
}

/** @param {any[]} processes */
function processes(processes) {
  const named = processes.map(({ pid, host, isAnswering }) => `process ${pid} on ${host}${isAnswering ? ", which answers" : ""}`);
  return html`<span class="hide-narrow" title=${named.join("\n")}>${plural(processes.length, "process", "processes")}</span>`;
}

/** Scrolls with what is new, until the reader scrolls away from the end. @param {() => number} count */
function follower(count) {
  const isFollowing = signal(true);
  const left = signal(0); // how many lines there were as the reader left the end
  let box = /** @type {HTMLElement | null} */ (null);
  const toEnd = () => box && (box.scrollTop = box.scrollHeight);
  const follow = () => {
    isFollowing.value = true;
    toEnd();
  };
  const onScroll = () => {
    if (!box) return;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    if (isAtEnd !== isFollowing.peek()) batch(() => ((isFollowing.value = isAtEnd), (left.value = count())));
  };
  const attach = (/** @type {HTMLElement} */ element) => {
    box = element;
    element.addEventListener("scroll", onScroll, { passive: true });
    new MutationObserver(() => isFollowing.peek() && toEnd()).observe(element, { childList: true, subtree: true });
    toEnd();
  };
  return {
    follow,
    attach,
    button: () => html`<button type="button" class=${`btn ${isFollowing.value ? "" : "quiet"}`} aria-pressed=${isFollowing.value}
      @click=${() => (isFollowing.value ? (isFollowing.value = false) : follow())}>${icon("down")}Follow</button>`,
    newLines: () => {
      const more = count() - left.value;
      if (isFollowing.value || more <= 0) return nothing;
      return html`<button type="button" class="btn accent" @click=${follow}>${number(more)} new <kbd>.</kbd></button>`;
    },
  };
}

/** @param {{ outcome?: string, level?: string }} tab */
const isCurrent = (tab) => (param("outcome") ?? undefined) === tab.outcome && (param("level") ?? undefined) === tab.level;

function tabs() {
  const choose = (/** @type {typeof TABS[0]} */ { outcome, level }) => () => setParams({ outcome, level });
  return html`
    <div class="tabs" role="group" aria-label="Which lines">
      ${TABS.map((tab) => html`<button type="button" aria-current=${isCurrent(tab) ? "true" : nothing} @click=${choose(tab)}>${tab.word}</button>`)}
    </div>`;
}

/** The tokens that are set. What a tab says is not said again. @returns {import("../ui/tokens.js").Token[]} */
const tokens = () => NAMES.filter((name) => param(name) && !(["outcome", "level"].includes(name) && TABS.some(isCurrent)))
  .map((name) => ({ name, value: param(name) ?? "", word: shortOf(name, param(name) ?? "") }));

/** An id that is typed, once it is complete. @param {number} digits */
const idOf = (digits) => (/** @type {string} */ text) => (new RegExp(`^[0-9a-f]{${digits}}$`).test(text) ? { value: text, word: text.slice(0, 8) } : null);

/** @param {() => LogLine[]} lines */
function filter(lines) {
  const functions = signal(/** @type {string[]} */ ([]));
  query("_system/functions:list").then((all) => (functions.value = all.map((/** @type {any} */ each) => each.name)), () => {});
  const seen = () => lines().flatMap(({ function: name }) => (name ? [name] : []));
  const change = (/** @type {import("../ui/tokens.js").Token[]} */ set) => {
    const kept = TABS.some(isCurrent) ? { outcome: param("outcome"), level: param("level") } : {};
    setParams({ ...NO_FILTERS, ...kept, ...Object.fromEntries(set.map(({ name, value }) => [name, value])) });
  };
  return filterBar({
    tokens,
    names: [
      { name: "function", hint: "a function, or a module with its colon", values: () => [...new Set([...functions.value, ...seen()])].sort(), isSingle: true },
      { name: "outcome", hint: "how a run ended", values: () => ["success", "failed", "retry", "canceled", "lost"], isSingle: true },
      { name: "level", hint: "this one, and those above it", values: () => ["INFO", "WARNING", "ERROR"], isSingle: true },
      { name: "request", hint: "its id, of 16 digits", isSingle: true, read: idOf(16) },
      { name: "job", hint: "its id, of 32 digits", isSingle: true, read: idOf(32) },
      { name: "text", hint: "in messages and errors", isFree: true, isSingle: true },
    ],
    onChange: change,
    placeholder: "Filter by function, outcome, level, request, job, or text",
    after: () => (param("job") ? html`<a class="btn quiet" href=${link(`/job/${param("job")}`)}>Open the job</a>` : nothing),
  });
}

/** @param {string} name @param {string} value */
const shortOf = (name, value) => (name === "function" ? value : name === "job" ? value.slice(-8) : value.slice(0, 8));

const NO_FILTERS = Object.fromEntries(NAMES.map((name) => [name, null]));
const clear = () => setParams(NO_FILTERS);

function nothingFits() {
  const set = Object.entries(filters());
  return html`
    <p class="none">No line has ${set.map(([name, value], index) => html`${index ? " and " : ""}${name} <b>${shortOf(name === "text" ? "function" : name, String(value))}</b>`)}.
      <button type="button" class="link" @click=${clear}>${set.length === 1 ? "Take the filter off" : "Take all filters off"}</button></p>`;
}

const teach = () => empty({
  title: "Nothing has been logged yet",
  text: "Every run of a function is a line, and what it logs stands below it, with the job or the request that it belongs to. Arguments are in no line.",
  code: CODE,
  marked: "ctx.log",
});

