/** The filter of the page of jobs: in the address, as tokens, and as the server takes it. Texts are in no address. */

import { address, setParams } from "../ui/address.js";
import { minuteClock, now } from "../ui/format.js";
import { computed, signal } from "../ui/render.js";

/** @import { Token, TokenName, Value } from "../ui/tokens.js" */
/** @typedef {{ states?: string[], functions?: string[], modules?: string[], left_out?: string[], cron?: string, since?: number, until?: number, text?: string }} Filter */

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @type {Record<string, { word: string, since?: number, until?: number }>} from now */
const TIMES = {
  "1h": { word: "last hour and ahead", since: -HOUR },
  "24h": { word: "last 24 h and ahead", since: -DAY },
  "last-1h": { word: "last hour", since: -HOUR, until: 0 },
  "last-24h": { word: "last 24 h", since: -DAY, until: 0 },
  "next-1h": { word: "next hour", since: 0, until: HOUR },
  "next-24h": { word: "next 24 h", since: 0, until: DAY },
};
const STATES = ["pending", "inProgress", "success", "failed", "canceled"];
/** @type {Record<string, string>} */
const WORDS = {
  pending: "pending",
  inProgress: "in progress",
  success: "success",
  failed: "failed",
  canceled: "canceled",
};

/** What is looked for in arguments and errors. It stays while the page is open. */
export const searchedText = signal("");
/** This minute: a range of time changes its ends with it, and not every second. */
const minute = computed(() => Math.floor(now.value / MINUTE) * MINUTE);

/** @param {string} name */
const list = (name) =>
  (address.value.params.get(name) ?? "")
    .split(",")
    .filter(Boolean)
    .map((each) => each.replaceAll("%2C", ","));

/** The states that are chosen: by a tab, or several by tokens. */
export const states = () => list("state").filter((state) => STATES.includes(state));

/** @param {string} name @param {readonly string[]} values */
const joined = (name, values) => ({ [name]: values.map((each) => each.replaceAll(",", "%2C")).join(",") || null });

/** @param {readonly string[]} chosen */
export const chooseStates = (chosen) => setParams({ ...joined("state", chosen), pending: null }, { replace: false });

/** The times of a range, or null. @returns {{ word: string, since?: number, until?: number } | null} */
export function timeRange() {
  const text = address.value.params.get("time");
  if (!text) return null;
  const known = TIMES[text];
  if (known) {
    const { word, since, until } = known;
    const end = until === undefined ? undefined : minute.value + until + MINUTE;
    return { word, since: since === undefined ? undefined : minute.value + since, until: end };
  }
  const [since, until] = text.split("-").map(Number);
  if (!Number.isFinite(since) || !Number.isFinite(until)) return null;
  return { word: `${minuteClock(since)} to ${minuteClock(until)}`, since, until };
}

/** @param {number} since @param {number} until */
export const chooseTime = (since, until) => setParams({ time: `${since}-${until}` }, { replace: false });

/** The tokens that are shown. One state is a tab. @returns {Token[]} */
export function tokens() {
  const range = timeRange();
  const chosen = states();
  const all = (/** @type {string} */ name, /** @type {string} */ key, isOut = false) =>
    list(key).map((value) => ({ name, value, isOut }));
  const cron = address.value.params.get("cron");
  return [
    ...(chosen.length > 1 ? chosen.map((value) => ({ name: "state", value, word: WORDS[value] })) : []),
    ...all("function", "function"),
    ...all("module", "module"),
    ...list("not").map((value) => ({ name: value.includes(":") ? "function" : "module", value, isOut: true })),
    ...(cron ? [{ name: "cron", value: cron }] : []),
    ...(range ? [{ name: "time", value: String(address.value.params.get("time")), word: range.word }] : []),
    ...(searchedText.value ? [{ name: "text", value: searchedText.value, word: `“${searchedText.value}”` }] : []),
  ];
}

/** @param {readonly Token[]} chosen */
export function showTokens(chosen) {
  const of = (/** @type {string} */ name, isOut = false) =>
    chosen.filter((token) => token.name === name && Boolean(token.isOut) === isOut).map(({ value }) => value);
  searchedText.value = of("text").at(-1) ?? "";
  const byTokens = of("state");
  const isTab = states().length === 1 && byTokens.length === 0;
  setParams({
    ...joined("state", isTab ? states() : byTokens),
    ...joined("function", of("function")),
    ...joined("module", of("module")),
    ...joined("not", [...of("function", true), ...of("module", true)]),
    cron: of("cron").at(-1),
    time: of("time").at(-1),
  });
}

/** As the server takes it. @param {{ withoutStates?: boolean, tokens?: readonly Token[] }} [options] @returns {Filter} */
export function filterOf({ withoutStates = false, tokens: given } = {}) {
  const shown = given ?? tokens();
  const of = (/** @type {string} */ name) =>
    shown.filter((token) => token.name === name && !token.isOut).map(({ value }) => value);
  const range = of("time").length > 0 ? timeRange() : null;
  const cron = of("cron").at(-1);
  const text = of("text").at(-1);
  return {
    ...(withoutStates ? {} : { states: states() }),
    functions: of("function"),
    modules: of("module"),
    left_out: shown.filter(({ isOut }) => isOut).map(({ value }) => value),
    ...(cron ? { cron } : {}),
    ...(range?.since === undefined ? {} : { since: range.since }),
    ...(range?.until === undefined ? {} : { until: range.until }),
    ...(text ? { text } : {}),
  };
}

/** @param {string} text "14:30-14:45", on this day */
function typedRange(text) {
  const found = /^(\d{1,2}):(\d{2})\s*(?:-|–|to)\s*(\d{1,2}):(\d{2})$/.exec(text);
  if (!found) return null;
  const [from, to] = [
    [1, 2],
    [3, 4],
  ].map(([hour, min]) => new Date(now.peek()).setUTCHours(+found[hour], +found[min], 0, 0));
  return { value: `${from}-${to < from ? to + DAY : to}`, word: `${minuteClock(from)} to ${minuteClock(to)}` };
}

/** The names that a token can have. @param {{ functions: () => string[], crons: () => string[] }} known @returns {TokenName[]} */
export function tokenNames({ functions, crons }) {
  const modules = () => [...new Set(functions().map((name) => name.slice(0, name.lastIndexOf(":"))))];
  return [
    { name: "function", hint: "such as orders:charge, or not orders:charge", values: functions, canExclude: true },
    { name: "module", hint: "every function of it", values: modules, canExclude: true },
    { name: "cron", hint: "the runs of one", values: crons, isSingle: true },
    { name: "state", hint: "several at once", values: () => STATES.map((value) => ({ value, word: WORDS[value] })) },
    {
      name: "time",
      hint: "a range, or 14:30-14:45",
      values: () => Object.entries(TIMES).map(([value, { word }]) => ({ value, word })),
      isSingle: true,
      read: typedRange,
    },
    { name: "text", hint: "in arguments and errors", isFree: true, isSingle: true },
  ];
}
