/** A new job from a form: which function, with what, and when. With a job's arguments: "Edit and run". */

import { go, link } from "./address.js";
import { mutation, query } from "./api.js";
import { ArgumentsForm } from "./arguments.js";
import { functionName, now } from "./format.js";
import { timeField } from "./job_actions.js";
import { shortId } from "./job_parts.js";
import { html, nothing, signal } from "./render.js";
import { openSheet } from "./sheet.js";
import { problem, waitingLines } from "./states.js";
import { failed, toast } from "./toast.js";

/** @typedef {{ name: string, kind: string, visibility: string, arguments: string, doc: string | null }} FunctionInfo */

/** @param {{ name?: string, args?: Record<string, any>, isOpened?: boolean }} [given] `isOpened`: the new job's page follows */
export function openNewJob({ name = "", args, isOpened = false } = {}) {
  const known = signal(/** @type {FunctionInfo[] | Error | null} */ (null));
  const chosen = signal(name);
  const form = signal(/** @type {ArgumentsForm | null} */ (null));
  const isLater = signal(false);
  const time = signal(now.peek() + 3_600_000);
  const isSending = signal(false);

  /** @param {string} wanted @param {Record<string, any>} [values] */
  const choose = (wanted, values) => {
    chosen.value = wanted;
    const list = known.peek();
    const info = Array.isArray(list) ? list.find((each) => each.name === wanted) : undefined;
    if (info?.name !== form.peek()?.info.name) form.value = info ? new ArgumentsForm(info, values) : null;
  };
  const load = async () => {
    try {
      const all = /** @type {FunctionInfo[]} */ (await query("_system/functions:list"));
      known.value = all.filter(({ kind }) => kind !== "query");
      choose(chosen.peek(), args);
    } catch (error) {
      known.value = error instanceof Error ? error : new Error(String(error));
    }
  };
  void load();

  const close = openSheet(content, { title: args ? "Edit and run" : "New job" });
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const filled = form.peek();
    if (!filled || isSending.peek() || !(await filled.checkAll())) return;
    isSending.value = true;
    try {
      const at = isLater.peek() ? { time: time.peek() } : {};
      const id = await mutation("_system/jobs:schedule", {
        function: filled.info.name,
        args: filled.values.peek(),
        ...at,
      });
      close();
      const where = html`<a class="link mono" href=${link(`/job/${id}`)}>${shortId(id)}</a>`;
      toast({ text: html`${functionName(filled.info.name)} scheduled as ${where}`, state: "pending" });
      if (isOpened) go(`/job/${id}`);
    } catch (error) {
      failed(error, "It was not scheduled");
    } finally {
      isSending.value = false;
    }
  };

  function content() {
    const list = known.value;
    if (list === null) return waitingLines(3);
    if (list instanceof Error) return problem(list, { again: () => void load() });
    const filled = form.value;
    return html`
      <form class="form" @submit=${send} @keydown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && void send(event)}>
        <label><span>Function <code>mutation or action</code></span>
          <input class="field mono" list="schedulable" autocomplete="off" spellcheck="false" placeholder="module:function" .value=${chosen.value}
            @input=${(/** @type {any} */ event) => choose(event.target.value)}></label>
        <datalist id="schedulable">${list.map((each) => html`<option value=${each.name}>${`${each.visibility} ${each.kind}`}</option>`)}</datalist>
        ${filled ? html`<div class="row"><strong>Arguments</strong>${filled.choice()}</div>${filled.view()}` : chosen.value ? html`<p class="hint">There is no mutation or action of this name.</p>` : nothing}
        ${filled ? when() : nothing}
        <div class="row">
          <button class="btn primary" ?disabled=${!filled || isSending.value} title=${filled ? "" : "Choose a function first"}>${isLater.value ? "Schedule" : "Run as a job"}</button>
          <button type="button" class="btn quiet" @click=${() => close()}>Leave it</button>
        </div>
        <p class="hint">A job runs for the app, without a user.</p>
      </form>`;
  }

  const when = () => html`
    <div class="lab"><span>When</span>
      <div class="seg" role="group" aria-label="When">
        <button type="button" aria-pressed=${!isLater.value} @click=${() => (isLater.value = false)}>Now</button>
        <button type="button" aria-pressed=${isLater.value} @click=${() => (isLater.value = true)}>Later</button>
      </div></div>
    ${isLater.value ? timeField(time) : nothing}`;
}
