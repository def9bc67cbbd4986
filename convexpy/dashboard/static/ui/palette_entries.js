/** What the command palette offers for what is typed: at once, and a moment later from the server. */

import { go, link, part, visit } from "./address.js";
import { isPaused, query, session } from "./api.js";
import { functionName, isUtc, relative, showUtc } from "./format.js";
import { icon, stateIcon, stateWord } from "./icons.js";
import { openKeys } from "./key_sheet.js";
import { PAGES } from "./pages.js";
import { html, signal } from "./render.js";
import { openScope } from "./router.js";
import { logOut } from "./session.js";
import { nextTheme } from "./theme.js";

/**
 * @typedef {object} Entry
 * @property {string} id
 * @property {string} group
 * @property {unknown} icon
 * @property {unknown} view
 * @property {unknown} [hint] at the right
 * @property {() => unknown} [run]
 * @property {{ label: string, run: () => unknown }} [second] with Ctrl
 * @property {string} [text] is put into the field instead
 */
/** @typedef {{ name: string, kind: string, visibility: string }} FunctionInfo */
/** @typedef {{ name: string, isFramework?: boolean }} TableInfo */

const MOST = 8; // of each group
const functions = signal(/** @type {FunctionInfo[]} */ ([]));
const tables = signal(/** @type {TableInfo[]} */ ([]));

/** @param {string} typed @returns {{ now: Entry[], later: () => Promise<Entry[]> }} */
export function entriesFor(typed) {
  const text = typed.trim().toLowerCase();
  const none = async () => /** @type {Entry[]} */ ([]);
  void load();
  if (text.startsWith(":")) return { now: functionEntries(text.slice(1), 30), later: none };
  if (text.startsWith("#")) return { now: [], later: () => jobEntries(text.slice(1).trim()) };
  if (text.startsWith("@")) {
    const [name, ...rest] = typed.trim().slice(1).split(/\s+/);
    return { now: tableEntries(name, 30), later: () => rowEntries(name, rest.join(" ")) };
  }
  const now = [
    ...functionEntries(text, text ? MOST : 0),
    ...pageEntries(text),
    ...commandEntries(text),
    ...tableEntries(text, text ? 4 : 0),
  ];
  return { now, later: () => (/^[0-9a-f]{4,32}$/.test(text) ? jobEntries(text) : text ? jobsOf(text) : none()) };
}

/** Functions and tables, once a minute at most; the palette shows them as they come. */
let loaded = 0;
async function load() {
  if (Date.now() - loaded < 60_000) return;
  loaded = Date.now();
  await Promise.allSettled([
    query("_system/app:function_names").then((names) => (functions.value = names)),
    query("_system/data:tables").then((names) => (tables.value = names)),
  ]);
}

/** Whether each word of the text is in a name. @param {string} name @param {string} text */
const fits = (name, text) => text.split(/\s+/).every((word) => name.toLowerCase().includes(word));

/** A text with what was typed in it marked. @param {string} name @param {string} text */
function marked(name, text) {
  const word = text.split(/\s+/)[0] ?? "";
  const at = word ? name.toLowerCase().indexOf(word) : -1;
  if (at < 0) return name;
  return html`${name.slice(0, at)}<mark>${name.slice(at, at + word.length)}</mark>${name.slice(at + word.length)}`;
}

/** The name of a function, marked: its module dim. @param {string} name @param {string} text */
function markedFunction(name, text) {
  const at = name.lastIndexOf(":") + 1;
  const isInModule = text !== "" && name.slice(0, at).toLowerCase().includes(text.split(/\s+/)[0]);
  const [module, own] = [name.slice(0, at), name.slice(at)];
  return html`<span class="fn"><i>${isInModule ? marked(module, text) : module}</i><b>${isInModule ? own : marked(own, text)}</b></span>`;
}

/** Names that fit, those that begin so first. @template {{ name: string }} T @param {T[]} all @param {string} text @param {number} most */
function best(all, text, most) {
  const rank = (/** @type {string} */ name) => {
    const at = name.toLowerCase().indexOf(text);
    return at === 0 || /[:._]/.test(name[at - 1] ?? "") ? 0 : 1;
  };
  return all
    .filter(({ name }) => fits(name, text))
    .sort((a, b) => rank(a.name) - rank(b.name))
    .slice(0, most);
}

/** @param {string} typed @param {number} most @returns {Entry[]} */
function functionEntries(typed, most) {
  const text = typed.trim();
  return best(functions.value, text, most).map(({ name, kind, visibility }) => ({
    id: `function ${name}`,
    group: "Functions",
    icon: icon("functions"),
    view: html`${markedFunction(name, text)} <span class="kind">${visibility === "internal" ? "internal " : ""}${kind}</span>`,
    run: () => go(`/functions/${part(name)}`),
    second: { label: "Run", run: () => go(`/functions/${part(name)}`, { run: 1 }) },
  }));
}

/** @param {string} text @returns {Entry[]} */
function pageEntries(text) {
  return Object.entries(PAGES)
    .filter(([, { title, isHidden }]) => !isHidden && fits(title, text))
    .map(([name, { title, letter }]) => ({
      id: `page ${name}`,
      group: "Pages",
      icon: icon(name),
      view: marked(title, text),
      hint: letter ? html`<span class="keys"><kbd>g</kbd><kbd>${letter}</kbd></span>` : undefined,
      run: () => go(`/${name}`),
    }));
}

/** @param {string} text @returns {Entry[]} */
function commandEntries(text) {
  const ofPage = openScope?.commands() ?? [];
  const general = [
    {
      label: isPaused.value ? "Go on with live updates" : "Pause live updates",
      icon: "pause",
      key: "p",
      run: () => (isPaused.value = !isPaused.value),
    },
    {
      label: isUtc.value ? "Show local time" : "Show UTC",
      icon: "schedules",
      key: "u",
      run: () => showUtc(!isUtc.value),
    },
    { label: "Change the theme", icon: "auto", run: nextTheme },
    { label: "All keys", icon: "info", key: "?", run: openKeys },
    ...(session.value && session.value.actor !== "dev" ? [{ label: "Log out", icon: "lock", run: logOut }] : []),
  ];
  return [
    ...ofPage.map((each) => ({ ...each, group: "This page" })),
    ...general.map((each) => ({ ...each, group: "Commands" })),
  ]
    .filter(({ label }) => fits(label, text))
    .map(({ label, run, group, icon: shape = "right", key }) => ({
      id: `command ${label}`,
      group,
      icon: icon(shape),
      view: marked(label, text),
      hint: key ? html`<kbd>${key}</kbd>` : undefined,
      run,
    }));
}

/** @param {string} name @param {number} most @returns {Entry[]} */
function tableEntries(name, most) {
  return best(tables.value, name, most).map((table) => ({
    id: `table ${table.name}`,
    group: "Tables",
    icon: icon("data"),
    view: html`<code>${marked(table.name, name)}</code>`,
    hint: table.isFramework ? "of the framework" : undefined,
    run: () => go(`/data/${part(table.name)}`),
  }));
}

/** Rows of a table by its key. @param {string} name @param {string} key @returns {Promise<Entry[]>} */
async function rowEntries(name, key) {
  if (!key || !tables.value.some((table) => table.name === name)) return [];
  const found = await query("_system/data:row", { table: name, key: [key] }).catch(() => null);
  if (!found) return [];
  const cells = found.row.cells
    .map((/** @type {unknown} */ cell) => (typeof cell === "string" ? cell : "…"))
    .join(", ");
  const row = {
    id: `row ${name} ${key}`,
    group: "Rows",
    icon: icon("data"),
    view: html`<code>${name} / ${key}</code>`,
  };
  return [
    {
      ...row,
      hint: html`<span class="mono cut">${cells.slice(0, 60)}</span>`,
      run: () => go(`/data/${part(name)}`, { row: JSON.stringify([key]) }),
    },
  ];
}

/** @param {string} prefix @returns {Promise<Entry[]>} */
async function jobEntries(prefix) {
  if (!/^[0-9a-f]{4,32}$/.test(prefix)) return [];
  return shownJobs(await query("_system/app:find_jobs", { prefix }).catch(() => []));
}

/** The last jobs of the function that fits best. @param {string} text @returns {Promise<Entry[]>} */
async function jobsOf(text) {
  const [first] = best(functions.value, text, 1);
  if (!first || first.kind === "query") return [];
  const jobs = await query("_system/jobs:list", { name: first.name, limit: 3 }).catch(() => []);
  const all = /** @type {Entry} */ ({
    id: "jobs of it",
    group: "Jobs",
    icon: icon("schedules"),
    view: html`All jobs of ${functionName(first.name)}`,
    run: () => go("/schedules", { function: first.name }),
  });
  return [...shownJobs(jobs), all];
}

/** @param {any[]} jobs @returns {Entry[]} */
function shownJobs(jobs) {
  return jobs.map((job) => {
    const kind = typeof job.state === "string" ? job.state : job.state.kind;
    const id = job.id ?? job._id;
    const time = job.time ?? job.completedTime ?? job.scheduledTime;
    return {
      id: `job ${id}`,
      group: "Jobs",
      icon: html`<span class=${`state ${kind}`}>${stateIcon(kind)}<span class="vh">${stateWord(kind)}</span></span>`,
      view: html`${functionName(job.name)} <code class="dim">${id.slice(0, 8)}</code>`,
      hint: relative(time),
      run: () => visit(link(`/job/${part(id)}`)),
    };
  });
}
