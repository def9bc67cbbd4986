/** What `convexpy doctor` finds: it looks as the page is opened, and again when a button asks for it. */

import { address, setParams } from "../ui/address.js";
import { live } from "../ui/api.js";
import { number, relative } from "../ui/format.js";
import { icon, stateIcon } from "../ui/icons.js";
import { html, nothing, signal } from "../ui/render.js";
import { problem, waitingLines } from "../ui/states.js";

/** @typedef {{ mark: "risk" | "note" | "ok", about: string, seen: string, why: string, todo: string }} Finding */

const SHOWN = 6;
const KEPT = 10 * 60_000; // what was found so long ago is still shown as the page is opened
const SHAPES = { risk: () => stateIcon("failed"), note: () => icon("info"), ok: () => stateIcon("success") };
const COLOURS = { risk: "failed", note: "", ok: "success" };

/** Begin to ask. @returns {() => unknown} what is rendered */
export function doctor() {
  const since = signal(Date.now() - KEPT);
  const answer = live.of(() => ["_system/health:findings", { since: since.value }]);
  const ask = () => (since.value = Date.now());
  return () => {
    const { value, error } = answer;
    const all = address.value.params.get("doctor") === "all";
    const isThere = value?.checkedTime;
    return html`
      <div class="sect">
        <h2 id="health-doctor">Doctor</h2>
        <span class="dim">${isThere ? counts(value.findings) : "looks at the database…"}</span>
        ${isThere && value.findings.length ? toggle(value.findings, all) : nothing}
      </div>
      ${error ? problem(error, { what: "The doctor does not answer", again: ask }) : isThere ? findings(value, all, ask) : waitingLines(4)}`;
  };
}

/** @param {Finding[]} findings */
function counts(findings) {
  const count = (/** @type {string} */ mark) => findings.filter((each) => each.mark === mark).length;
  const [risks, notes, ok] = ["risk", "note", "ok"].map(count);
  const words = [risks && html`<span class="bad">${risks === 1 ? "1 risk" : `${risks} risks`}</span>`, notes && (notes === 1 ? "1 note" : `${notes} notes`), `${number(ok)} ok`];
  return words.filter(Boolean).map((word, index) => html`${index ? ", " : ""}${word}`);
}

/** @param {Finding[]} findings @param {boolean} all */
function toggle(findings, all) {
  if (findings.length <= SHOWN && !all) return nothing;
  return html`<button type="button" class="link push" aria-expanded=${all} @click=${() => setParams({ doctor: all ? null : "all" })}>${all ? "Fewer" : "All findings"}</button>`;
}

/** @param {any} value @param {boolean} all @param {() => void} ask */
function findings({ findings: found, problem: why, checkedTime, isLooking }, all, ask) {
  if (why) return problem(new Error(why), { what: "The doctor cannot look", again: ask });
  const shown = all ? found : found.slice(0, SHOWN);
  return html`
    <table class="findings">
      <tbody>${shown.map((/** @type {Finding} */ each) => line(each, all))}</tbody>
    </table>
    <p class="checked dim">${isLooking ? "Checking…" : html`Checked ${relative(checkedTime)}. <button type="button" class="link" @click=${ask}>Check again</button>`}</p>`;
}

/** @param {Finding} finding @param {boolean} all */
function line({ mark, about, seen, why, todo }, all) {
  return html`
    <tr>
      <td class="f-mark"><span class=${`state ${COLOURS[mark]}`}>${SHAPES[mark]()}${mark}</span></td>
      <td class="f-about soft">${about}</td>
      <td class="f-seen">${coded(seen)}${why && (all || mark === "risk") ? html`: ${coded(why)}.` : nothing}
        ${todo && all ? html`<p class="soft">${coded(todo)}.</p>` : nothing}</td>
    </tr>`;
}

/** What stands between backticks is code. @param {string} text */
const coded = (text) => text.split("`").map((piece, index) => (index % 2 ? html`<code>${piece}</code>` : piece));
