/** Audit: what was changed through the dashboard and by `_system` mutations, by whom, and when. */

import { link } from "../ui/address.js";
import { live } from "../ui/api.js";
import { clock, instant, relative } from "../ui/format.js";
import { html, nothing, signal } from "../ui/render.js";
import { empty, pageHead, shown } from "../ui/states.js";
import { table } from "../ui/table.js";

/** @import { Page } from "../ui/pages.js" */
/** @typedef {{ id: string, time: number, actor: string, action: string, target: string, details: string | null }} AuditEntry */

const PAGE = 100;
const MOST = 1_000;
const JOB = /^[0-9a-f]{32}$/;

/** @type {Page} */
export default {
  title: "Audit",
  hasStyle: true,
  open() {
    const limit = signal(PAGE);
    const answer = live.of(() => ["_system/audit:list", { limit: limit.value }]);
    const entries = () => /** @type {AuditEntry[]} */ (answer.value?.entries ?? []);
    const list = table({
      label: "Changes, the newest first",
      columns: COLUMNS,
      groups: () => [{ id: "all", items: entries() }],
      key: (entry) => entry.id,
      onOpen: () => {},
      isLoading: () => answer.isLoading,
      onEnd: () => answer.value?.cursor && limit.peek() < MOST && (limit.value = Math.min(MOST, limit.peek() + PAGE * 3)),
    });
    return () => html`
      <div class="page">
        ${pageHead("Audit", { note: html`<span class="hide-narrow">the newest ${MOST.toLocaleString("en-US")}</span>` })}
        <p class="lead below">What was changed by hand: written in the same transaction as the change.</p>
        ${shown(answer, () => (entries().length === 0 ? teach() : list.view()))}
      </div>`;
  },
};

const COLUMNS = /** @type {import("../ui/table.js").Column[]} */ ([
  { id: "time", title: "When", width: 168, place: "when", view: ({ time }) => html`<span title=${instant(time)}>${relative(time)} <span class="dim">${clock(time)}</span></span>` },
  { id: "actor", title: "Who", width: 168, place: "state", view: ({ actor }) => actor },
  { id: "action", title: "What", width: 148, place: "what", view: ({ action }) => html`<strong>${action}</strong>` },
  { id: "target", title: "To what", width: 296, place: "size", view: target },
  { id: "details", title: "Details", view: ({ details }) => html`<span class="mono soft" title=${details ?? nothing}>${details ?? ""}</span>` },
]);

/** @param {AuditEntry} entry */
function target({ target: name }) {
  return html`<span class="mono">${JOB.test(name) ? html`<a class="link" href=${link(`/job/${name}`)}>${name.slice(0, 8)}</a>` : name}</span>`;
}

const teach = () => empty({
  title: "Nothing has been changed by hand",
  text: "Whoever cancels, retries, pauses or edits something here is written down: the name of the admin key, what was done, and to what.",
});

