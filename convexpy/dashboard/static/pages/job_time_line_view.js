/** The time line of a job's tree, drawn: depth on the left, time on the right. */

import { link, setParams } from "../ui/address.js";
import { duration, functionName, instant, now, number } from "../ui/format.js";
import { state, stateWord } from "../ui/icons.js";
import { isOver } from "../ui/job_parts.js";
import { html, nothing, svg } from "../ui/render.js";
import { partOf, rowsOf, scaleOf, ticksOf } from "./job_time_line.js";

/** @import { Node, Row, Bar, Scale } from "./job_time_line.js" */

/** @type {Record<string, string>} */
const KINDS = { http: "HTTP", python: "Python", cli: "command line" };
const DEEPEST = 9; // further in there would be no room for names
const LINE = 34;
const HEAD = 26;
const BAR = 12;
const THINNEST = 0.3; // percent: about 3 pixels

/** @param {Node} node */
function noteOf({ job, rolledBack }) {
  const took = job.startedTime !== null && job.completedTime !== null ? job.completedTime - job.startedTime : null;
  const words = took === null ? "" : took < 1 ? "<1 ms" : duration(took);
  const conflict = rolledBack.find(({ outcome }) => outcome === "conflict");
  if (conflict)
    return `${words}, lost to ${conflict.lostTo ?? "another"}${conflict.lostOn ? ` on ${conflict.lostOn}` : ""}, ran again`.replace(
      /^, /,
      "",
    );
  if (rolledBack.length > 0) return `${words}, attempt ${job.attempts}`.replace(/^, /, "");
  if (job.state === "canceled") return "canceled";
  if (job.state === "pending") return "pending";
  return job.state === "inProgress" ? "running" : words;
}

/** @param {import("../ui/job_parts.js").Origin | null} origin */
const byOf = (origin) => origin?.actor ?? "";

const legend = html`
  <div class="legend push hide-narrow" aria-hidden="true">
    <span><i class="key wait"></i>waits</span><span><i class="key ok"></i>ran</span>
    <span><i class="key conf"></i>conflict, rolled back</span><span><i class="key no"></i>failed</span>
  </div>`;

/** @param {Node[]} all @param {string} here the job of the page @param {{ isCut: boolean, isTrue: boolean, isWhole: boolean }} options */
export function timeLine(all, here, { isCut, isTrue, isWhole }) {
  const nodes = isWhole ? all : partOf(all, here);
  const runs = nodes.some(({ job }) => !isOver(job));
  const rows = rowsOf(nodes, all, runs ? now.value : now.peek(), { note: noteOf, by: byOf });
  const scale = scaleOf(rows, isTrue);
  const height = HEAD + LINE * rows.length;
  const choose = (/** @type {boolean} */ value) => setParams({ scale: value ? "true" : null });
  return html`
    <section>
      <div class="sect"><h2>What began it, and what came of it</h2>${legend}
        <div class="seg hide-narrow" role="group" aria-label="Axis">
          <button type="button" aria-pressed=${!isTrue} @click=${() => choose(false)}>Fold waits</button>
          <button type="button" aria-pressed=${isTrue} @click=${() => choose(true)}>True scale</button>
        </div></div>
      <div class="wf" role="region" aria-label="Time line" tabindex="0">
        <ol>${rows.map((row) => nameOf(row, here))}</ol>
        <div class="plot">
          <svg class="tl" height=${height} role="img" aria-label=${inWords(rows)}>
            <defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch-ground" width="5" height="5"/><rect class="hatch-line" width="1.8" height="5"/></pattern></defs>
            ${scale.folds.map((fold) => foldView(fold, height))}
            ${rows.map((row, at) => (row.id === here ? svg`<rect class="herebg" x="0" y=${HEAD + LINE * at} width="100%" height=${LINE}/>` : nothing))}
            ${axis(scale, height)}
            ${rows.map((row, at) => linkTo(row, at, scale))}
            ${rows.map((row, at) => barsView(row, at, scale))}
          </svg>
        </div>
      </div>
      ${nodes.length < all.length || isCut || isWhole ? more(nodes.length, all.length, isCut, isWhole) : nothing}
    </section>`;
}

/** @param {number} shown @param {number} known @param {boolean} isCut @param {boolean} isWhole */
function more(shown, known, isCut, isWhole) {
  const whole = `${number(known)}${isCut ? "+" : ""}`;
  const turn = () => setParams({ tree: isWhole ? null : "all" });
  const button = html`<button type="button" class="link" @click=${turn}>${isWhole ? "Show the part of this job" : `Show all ${number(known)}`}</button>`;
  return html`<p class="hint tree-more">${number(shown)} of the ${whole} jobs of the tree. ${shown < known || isWhole ? button : nothing}</p>`;
}

/** @param {Row} row @param {string} here */
function nameOf({ id, depth, node, word, by, name, kind, state: kindOfState }, here) {
  const isHere = id === here;
  const what = name
    ? functionName(name)
    : html`<span class="cut">${word} ${by ? html`<span class="soft">by ${by}</span>` : nothing}</span>`;
  const line = html`${kindOfState ? state(kindOfState, { isHidden: true }) : nothing}${what}<span class="kind">${KINDS[kind] ?? kind}${isHere ? " · this job" : ""}</span>`;
  return html`
    <li class=${isHere ? "here" : ""} style=${{ "--d": Math.min(depth, DEEPEST) }} aria-current=${isHere ? "true" : nothing}>
      ${node && !isHere ? html`<a href=${link(`/job/${id}`)}>${line}</a>` : html`<span class="wf-line">${line}</span>`}
    </li>`;
}

/** @param {Row[]} rows */
const inWords = (rows) =>
  `Time line: ${rows.map(({ name, word, state: kind, note }) => `${name ?? word}, ${stateWord(kind)}${note ? `, ${note}` : ""}`).join("; ")}`;

const percent = (/** @type {number} */ part) => `${Math.round(part * 1e5) / 1e3}%`;

/** @param {Scale["folds"][number]} fold @param {number} height */
const foldView = ({ begin, end, from, to }, height) => svg`
  <rect class="fold" x=${percent(from)} y=${HEAD} width=${percent(to - from)} height=${height - HEAD}/>
  <line class="foldl" x1=${percent(from)} x2=${percent(from)} y1=${HEAD} y2=${height}/>
  <line class="foldl" x1=${percent(to)} x2=${percent(to)} y1=${HEAD} y2=${height}/>
  <text x=${percent((from + to) / 2)} y="16" text-anchor="middle">${duration(end - begin)}</text>`;

/** @param {Scale} scale @param {number} height */
function axis(scale, height) {
  const line = (/** @type {number} */ time) =>
    svg`<line class="grid" x1=${percent(scale.x(time))} x2=${percent(scale.x(time))} y1=${HEAD} y2=${height}/>`;
  return scale.pieces.map((piece, at) => {
    const ticks = ticksOf(piece);
    const isRoomy = at > 0 || piece.to - piece.from > 0.12;
    const first =
      at === 0
        ? svg`${line(piece.begin)}<text x="0" y="16">${isRoomy ? (instant(piece.begin).split(", ")[1] ?? "").split(" ")[0] : ""}</text>`
        : nothing;
    return svg`${first}${ticks.map(({ time, after }, index) => {
      const isFree = at > 0 || scale.x(time) - piece.from > 0.17;
      return svg`${line(time)}${isFree ? svg`<text x=${percent(scale.x(time))} y="16" text-anchor="middle">${at === 0 ? "" : "+"}${tickWord(after)}</text>` : nothing}`;
    })}`;
  });
}

/** From what is above to the begin of a line. @param {Row} row @param {number} at @param {Scale} scale */
function linkTo(row, at, scale) {
  if (row.above < 0 || row.from === null) return nothing;
  const x = percent(scale.x(row.from));
  return svg`<line class="link" x1=${x} x2=${x} y1=${middle(row.above) + BAR / 2} y2=${middle(at)}/>`;
}

/** Hours with their minutes: a tick is exact. @param {number} ms */
function tickWord(ms) {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 60) return duration(ms);
  return `${number(Math.floor(minutes / 60))} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

const middle = (/** @type {number} */ at) => HEAD + LINE * at + LINE / 2;

/** @type {Record<Bar["kind"], string>} */
const CLASSES = { wait: "wait", ran: "ok", failed: "no", rolledBack: "conf", runs: "runs", request: "req" };

/** @param {Row} row @param {number} at @param {Scale} scale */
function barsView({ bars, dot, note, tone, state: kind }, at, scale) {
  const y = middle(at);
  const shapes = bars.map(({ kind: shape, begin, end }) => {
    const [from, to] = [scale.x(begin), scale.x(end)];
    if (shape === "wait")
      return to > from ? svg`<line class="wait" x1=${percent(from)} x2=${percent(to)} y1=${y} y2=${y}/>` : nothing;
    const [tall, width] = [shape === "request" ? 6 : BAR, Math.max(THINNEST, (to - from) * 100)];
    return svg`<rect class=${CLASSES[shape]} x=${percent(from)} y=${y - tall / 2} width=${`${Math.round(width * 1e3) / 1e3}%`} height=${tall} rx="2.5"/>`;
  });
  const last = bars[bars.length - 1];
  const end = dot ?? last?.end;
  const place = end === undefined ? 0 : Math.max(scale.x(end), last ? scale.x(last.begin) + THINNEST / 100 : 0);
  const isAtEnd = place > 0.7 && note.length > 12;
  const begin = bars[0]?.begin;
  const text =
    isAtEnd && begin !== undefined
      ? svg`<text class=${tone || "v"} x=${percent(scale.x(begin))} y=${y + 4} dx="-8" text-anchor="end">${note}</text>`
      : svg`<text class=${tone || "v"} x=${percent(place)} y=${y + 4} dx=${dot === undefined ? 7 : 9}>${note}</text>`;
  const person =
    dot === undefined ? nothing : svg`<circle class="person" cx=${percent(scale.x(dot))} cy=${y} r="3.5"/>`;
  return svg`${shapes}${person}${note ? text : nothing}`;
}
