/** Audit: what was changed by hand, by whom, and when. */

import { address, go, link, part, setParams } from "../ui/address.js";
import { live, query } from "../ui/api.js";
import { instant, when } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { jsonLine, jsonView } from "../ui/json.js";
import { computed, effect, html, nothing, signal } from "../ui/render.js";
import { openSheet } from "../ui/sheet.js";
import { empty, pageHead, shown } from "../ui/states.js";
import { table } from "../ui/table.js";
import { failed } from "../ui/toast.js";

/** @import { Page } from "../ui/pages.js" */
/** @typedef {{ id: string, time: number, actor: string, action: string, target: string, details: string | null }} Entry */

const NAMED_KEYS = `# a key that is named, so that its changes are
$ convexpy key new --name mira

# and one that only sees
$ convexpy key new --name board --read-only`;
const LENGTH = 100; // of a page
const JOB = /^[0-9a-f]{32}$/;

/** The details as they were written: a text, or JSON. @param {string | null} details */
function read(details) {
  try {
    return JSON.parse(details ?? "null");
  } catch {
    return details;
  }
}

/** @type {Page} */
export default {
  title: "Audit",
  open(scope) {
    const newest = live("_system/audit:list", { limit: LENGTH });
    const older = signal(/** @type {Entry[]} */ ([]));
    const cursor = signal(/** @type {string | null | undefined} */ (undefined)); // undefined: nothing older was asked for
    let isAsking = false;

    const entries = computed(() => {
      const all = /** @type {Entry[]} */ ([...(newest.value?.entries ?? []), ...older.value]);
      return [...new Map(all.map((entry) => [entry.id, entry])).values()];
    });
    const text = computed(() => address.value.params.get("text") ?? "");
    const found = computed(() => {
      const wanted = text.value.toLowerCase();
      return entries.value.filter((entry) => Object.values(entry).some((value) => String(value).toLowerCase().includes(wanted)));
    });

    async function goOn() {
      const from = cursor.peek() === undefined ? newest.value?.cursor : cursor.peek();
      if (!from || isAsking) return;
      isAsking = true;
      try {
        const page = await query("_system/audit:list", { limit: LENGTH, cursor: from });
        older.value = [...older.peek(), ...page.entries];
        cursor.value = page.cursor;
      } catch (error) {
        failed(error, "What is older cannot be shown");
      } finally {
        isAsking = false;
      }
    }

    const list = table({
      label: "Changes",
      columns: [
        { id: "when", title: "When", width: 190, place: "when", view: (entry) => when(entry.time) },
        { id: "actor", title: "By", width: 140, place: "size", view: (entry) => entry.actor },
        { id: "action", title: "Action", width: 130, place: "state", view: (entry) => entry.action },
        { id: "target", title: "What", width: 320, place: "what", view: (entry) => html`<span class="mono">${entry.target}</span>` },
        { id: "details", title: "Details", view: (entry) => (entry.details === null ? nothing : jsonLine(read(entry.details))) },
      ],
      groups: () => [{ id: "all", items: found.value }],
      key: (entry) => entry.id,
      onOpen: (entry) => setParams({ entry: entry.id }, { replace: false }),
      context: () => text.value,
      onEnd: () => void goOn(),
    });

    // The open entry is a part of the address.
    let close = () => {};
    let open = "";
    scope.onClose(
      effect(() => {
        const id = address.value.params.get("entry") ?? "";
        const entry = entries.value.find((each) => each.id === id);
        if (open === id && entry) return;
        close();
        if (!entry) return;
        open = id;
        const onClose = () => {
          open = "";
          forget(id);
        };
        close = openSheet(() => facts(entry), { title: `${entry.action}, ${entry.target}`, onClose });
      }),
    );
    scope.onClose(() => close());
    const forget = (/** @type {string} */ id) => {
      if (address.peek().page === "audit" && address.peek().params.get("entry") === id) setParams({ entry: null });
    };

    const filter = () => html`
      <div class="filters" role="search">
        <label class="field">${icon("search")}<span class="vh">Filter</span>
          <input data-filter placeholder="Filter what is shown by name, action, or text" .value=${text.value}
            @input=${(/** @type {any} */ event) => setParams({ text: event.target.value })}></label>
        <kbd class="hide-narrow">/</kbd>
      </div>`;

    const content = () => {
      if (entries.value.length === 0) return nothingYet();
      const isNone = found.value.length === 0;
      const none = html`<p class="lead">No change that is shown here has the text “${text.value}”.
        <button type="button" class="link" @click=${() => go("/audit")}>Take it off</button></p>`;
      return html`${filter()}${isNone ? none : list.view()}`;
    };
    return () => html`<div class="page">
      ${pageHead("Audit", { note: "what was changed by hand" })}
      ${shown(newest, content)}
    </div>`;
  },
};

/** @param {Entry} entry */
function facts(entry) {
  const isJob = JOB.test(entry.target);
  return html`
    <dl class="facts">
      <dt>When</dt><dd>${instant(entry.time)}</dd>
      <dt>By</dt><dd>${entry.actor}</dd>
      <dt>Action</dt><dd>${entry.action}</dd>
      <dt>What</dt>
      <dd class="mono">${isJob ? html`<a class="link" href=${link(`/job/${part(entry.target)}`)}>${entry.target}</a>` : entry.target}</dd>
    </dl>
    ${entry.details === null
      ? nothing
      : html`<div class="block"><h2>Details</h2>${jsonView(read(entry.details), { label: "Details" })}</div>`}`;
}

const nothingYet = () =>
  empty({
    title: "Nothing was changed by hand yet",
    text: "Each change is written here by the transaction that makes it: with the key, the time and what it did.",
    code: NAMED_KEYS,
    marked: "--name mira",
  });
