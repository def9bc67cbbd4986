/**
 * Charts, as SVG. Each says in words what it shows, for those who do not see it. What ran is grey, what failed red with
 * a diamond on top, what is still to come dotted.
 *
 *     sparkline([3, 4, 4, 9], { label: "Jobs a second" })
 *     bars([0, 0, 2, 0], { label: "Failed jobs a minute" })
 *     strip({ minutes: [{ time, ran, failed, due }], now: now.value, onChoose: (from, to) => … })
 *     histogram([{ upTo: 10, count: 3 }, …], { label: "Durations", format: duration, marks: [{ value: 212, label: "p95" }] })
 *     chart({ title: "Lag", times, series: [{ name: "p50", values, kind: "area" }], format: duration })
 */

import { minuteClock, number } from "./format.js";
import { html, nothing, signal, svg } from "./render.js";

/** @param {number} value */
const short = (value) => String(Math.round(value * 100) / 100);
/** @param {readonly number[]} values */
const highest = (values) => values.reduce((most, value) => Math.max(most, value), 0);

/** What a row of values says, in words.
 * @param {string} label @param {readonly (number | null)[]} values @param {(value: number) => string} format */
function inWords(label, values, format) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return `${label}: nothing is known`;
  const [least, most] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
  return `${label}: ${format(known[known.length - 1])} at last, between ${format(least)} and ${format(most)}`;
}

/** The points of a line in a box; null leaves a gap.
 * @param {readonly (number | null)[]} values @param {number} most @param {number} width @param {number} height */
function path(values, most, width, height) {
  let isDrawing = false;
  return values
    .map((value, at) => {
      if (value === null) return ((isDrawing = false), "");
      const x = values.length > 1 ? (at / (values.length - 1)) * width : width;
      const point = `${isDrawing ? "L" : "M"}${short(x)} ${short(height - (value / (most || 1)) * height)}`;
      isDrawing = true;
      return point;
    })
    .join("");
}

/** A small line without axes, from zero on. @param {readonly number[]} values
 * @param {{ label: string, format?: (value: number) => string }} options */
export function sparkline(values, { label, format = number }) {
  const line = path(values, highest(values) * 1.1, 100, 24);
  return html`
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label=${inWords(label, values, format)}>
      ${values.length > 1 ? svg`<path class="area" d=${`${line}L100 24L0 24Z`}/><path d=${line}/>` : nothing}
    </svg>`;
}

/** Small bars: what there is none of is a short grey one. @param {readonly number[]} values
 * @param {{ label: string, isFailure?: boolean }} options */
export function bars(values, { label, isFailure = true }) {
  const most = highest(values) || 1;
  const step = 100 / (values.length || 1);
  const total = values.reduce((sum, value) => sum + value, 0);
  return html`
    <svg class="spark" role="img" aria-label=${`${label}: ${number(total)} in all, ${number(highest(values))} at most`}>
      ${values.map((value, at) => {
        const height = value > 0 ? Math.max(3, (value / most) * 22) : 1.5;
        const kind = value > 0 && isFailure ? "failed" : "ran";
        return bar(kind, `${short(at * step)}%`, `${short(step * 0.66)}%`, 24, height);
      })}
    </svg>`;
}

/** @typedef {{ time: number, ran?: number, failed?: number, due?: number }} Minute */

/**
 * A bar a minute, behind and ahead; the accent line is now. Dragging chooses a part of it, and so do the arrow keys
 * with Shift.
 * @param {{ minutes: readonly Minute[], now: number, step?: number, label?: string, chosen?: [number, number] | null,
 *   onChoose?: (from: number, to: number) => void }} options
 */
export function strip({ minutes, now, step = 60_000, label = "Jobs a minute", chosen = null, onChoose }) {
  if (minutes.length === 0) return nothing;
  const height = 52;
  const [start, end] = [minutes[0].time, minutes[minutes.length - 1].time + step];
  const most = highest(minutes.map(({ ran = 0, failed = 0, due = 0 }) => Math.max(ran + failed, due))) || 1;
  const x = (/** @type {number} */ time) => `${short(((time - start) / (end - start)) * 100)}%`;
  const width = `${short((step / (end - start)) * 66)}%`;
  const tall = (/** @type {number} */ count) => (count > 0 ? Math.max(2, (count / most) * (height - 12)) : 0);
  const column = (/** @type {Minute} */ { time, ran = 0, failed = 0, due = 0 }) => {
    const [grey, red, dotted] = [tall(ran), failed > 0 ? Math.max(3, tall(failed)) : 0, tall(due)];
    const top = height - grey - red - (red ? 1.5 : 0);
    return svg`
      ${grey ? svg`<rect class="ran" x=${x(time)} width=${width} y=${short(height - grey)} height=${short(grey)}/>` : nothing}
      ${
        red
          ? svg`<rect class="failed" x=${x(time)} width=${width} y=${short(top)} height=${short(red)}/>
        <svg class="diamond" x=${x(time + step / 3)} y=${short(top - 6)} width="1" height="1">
          <path class="failed" d="M0-3.5 3.5 0 0 3.5-3.5 0z"/></svg>`
          : nothing
      }
      ${dotted && time + step > now ? bar("due", x(time), width, height, dotted) : nothing}`;
  };
  const sum = (/** @type {"ran" | "failed" | "due"} */ kind) =>
    minutes.reduce((total, each) => total + (each[kind] ?? 0), 0);
  const sums = `${number(sum("ran"))} ran, ${number(sum("failed"))} failed, ${number(sum("due"))} are due`;
  const words = `${label}, from ${minuteClock(start)} to ${minuteClock(end)}: ${sums}`;
  const [left, right] = chosen ? [Math.max(start, chosen[0]), Math.min(end, chosen[1])] : [0, 0];
  const share = `${short(((right - left) / (end - start)) * 100)}%`;
  const labels = Array.from({ length: 5 }, (_, at) => start + Math.round((at * (end - start)) / 4 / step) * step);
  const span = end - start;
  const isNearNow = (/** @type {number} */ time) => Math.abs(time - now) < span * 0.09;
  return html`
    <figure class=${`strip ${onChoose ? "can-drag" : ""}`}>
      <svg role="img" aria-label=${words} @pointerdown=${onChoose ? dragging(start, end, step, onChoose) : nothing}>
        ${minutes.map(column)}
        ${chosen ? bar("chosen", x(left), share, height, 56) : nothing}
        <line class="base" x1="0" x2="100%" y1="52.5" y2="52.5"/>
        <line class="now" x1=${x(now)} x2=${x(now)} y1="-4" y2="53"/>
      </svg>
      <div class="axis" aria-hidden="true">
        ${labels
          .filter((time) => !isNearNow(time))
          .map((time) => tick(x(time), minuteClock(time), time === start, time === end))}
        <span class="now-label" style=${{ left: x(now) }}>now ${minuteClock(now)}</span>
      </div>
    </figure>`;
}

/** A bar that stands on a line. @param {string} kind @param {string} x @param {string} width */
function bar(kind, x, width, /** @type {number} */ ground, /** @type {number} */ height) {
  return svg`<rect class=${kind} x=${x} width=${width} y=${short(ground - height)} height=${short(height)}/>`;
}

/** A label of an axis; the first and the last stay within it. @param {string} left @param {unknown} text */
function tick(left, text, isFirst = false, isLast = false) {
  return html`<span class=${isFirst ? "first" : isLast ? "last" : ""} style=${{ left }}>${text}</span>`;
}

/** @param {number} start @param {number} end @param {number} step @param {(from: number, to: number) => void} onChoose */
function dragging(start, end, step, onChoose) {
  return (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    const target = /** @type {SVGElement} */ (event.currentTarget);
    const box = target.getBoundingClientRect();
    const timeAt = (/** @type {number} */ x) =>
      start + Math.min(1, Math.max(0, (x - box.left) / box.width)) * (end - start);
    const first = timeAt(event.clientX);
    target.setPointerCapture(event.pointerId);
    const up = (/** @type {PointerEvent} */ done) => {
      target.removeEventListener("pointerup", up);
      target.removeEventListener("pointercancel", up);
      if (done.type === "pointercancel") return;
      const [from, to] = [first, timeAt(done.clientX)].sort((a, b) => a - b);
      onChoose(Math.floor(from / step) * step, Math.ceil(Math.max(to, from + 1) / step) * step);
    };
    target.addEventListener("pointerup", up);
    target.addEventListener("pointercancel", up);
  };
}

/**
 * How often values fell into each part of a range, in equal widths.
 * @param {readonly { upTo: number, count: number }[]} buckets
 * @param {{ label: string, format?: (value: number) => string, marks?: { value: number, label: string }[] }} options
 */
export function histogram(buckets, { label, format = number, marks = [] }) {
  const most = highest(buckets.map(({ count }) => count)) || 1;
  const step = 100 / (buckets.length || 1);
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  const x = (/** @type {number} */ value) => {
    const at = buckets.findIndex(({ upTo }) => value <= upTo);
    return `${short(((at < 0 ? buckets.length : at) + 0.5) * step)}%`;
  };
  const words = `${label}: ${number(total)} values. ${marks.map((mark) => `${mark.label} ${format(mark.value)}`).join(", ")}`;
  const shown = buckets.filter((_, at) => at % Math.ceil(buckets.length / 4) === 0);
  return html`
    <figure class="histogram">
      <svg role="img" aria-label=${words}>
        ${buckets.map(({ count, upTo }, at) => {
          const height = count > 0 ? Math.max(2, (count / most) * 66) : 0;
          const title = `up to ${format(upTo)}: ${number(count)}`;
          return svg`<g><title>${title}</title>${bar("ran", `${short(at * step)}%`, `${short(step * 0.86)}%`, 72, height)}</g>`;
        })}
        ${marks.map(({ value }) => svg`<line class="mark" x1=${x(value)} x2=${x(value)} y1="0" y2="72"/>`)}
        <line class="base" x1="0" x2="100%" y1="72" y2="72"/>
      </svg>
      <div class="axis" aria-hidden="true">${shown.map(({ upTo }) => tick(x(upTo), format(upTo)))}</div>
    </figure>`;
}

/** @typedef {{ name: string, values: readonly (number | null)[], kind?: "area" | "solid" | "dashed" }} Series */
/** Where the pointer is, by the title of a chart. */
const pointed = signal(/** @type {{ title: string, at: number } | null} */ (null));

/**
 * A chart with axes. The value at the pointer is shown, and with the arrow keys.
 * @param {{ title: string, times: readonly number[], series: Series[], format?: (value: number) => string,
 *   timeOf?: (time: number) => string, unit?: unknown, figure?: unknown }} options
 */
export function chart({ title, times, series, format = number, timeOf = minuteClock, figure, unit = nothing }) {
  const most = niceAbove(highest(series.flatMap(({ values }) => values.filter((value) => value !== null))));
  const at = pointed.value?.title === title ? Math.min(pointed.value.at, times.length - 1) : -1;
  const move = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    pointed.value = {
      title,
      at: Math.round(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (times.length - 1)),
    };
  };
  const step = (/** @type {KeyboardEvent} */ event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    pointed.value = { title, at: Math.min(times.length - 1, Math.max(0, (at < 0 ? times.length - 1 : at) + by)) };
  };
  const leave = () => void (pointed.value = null);
  const values = series.map((each) => each.values[at < 0 ? times.length - 1 : at] ?? null);
  const said = (/** @type {(number | null)[]} */ all) =>
    all.map((value) => (value === null ? "–" : format(value))).join(" / ");
  const share = times.length > 1 ? at / (times.length - 1) : 0;
  const words = series
    .map(({ name, values: all }) => inWords(series.length > 1 ? `${title}, ${name}` : title, all, format))
    .join(". ");
  const labels = times.length > 1 ? [0, 1, 2, 3].map((each) => times[Math.round((each * (times.length - 1)) / 3)]) : [];
  return html`
    <figure class="chart">
      <header><h2>${title}</h2><span class="v">${figure ?? said(values)} <small>${unit}</small></span></header>
      <div class="plot" tabindex="0" role="img" aria-label=${words} @keydown=${step} @blur=${leave}
        @pointermove=${move} @pointerleave=${leave}>
        <span class="y" style=${{ top: "0" }}>${format(most)}</span>
        <span class="y" style=${{ top: "50%" }}>${format(most / 2)}</span>
        <svg viewBox="0 0 300 100" preserveAspectRatio="none" aria-hidden="true">
          <path class="g" d="M0 0H300M0 50H300M0 100H300"/>
          ${series.map(({ values: all, kind = "solid" }) => {
            const line = path(all, most, 300, 100);
            const area = kind === "area" && line ? svg`<path class="area" d=${`${line}L300 100L0 100Z`}/>` : nothing;
            return svg`${area}<path class=${kind === "dashed" ? "dashed" : "solid"} d=${line}/>`;
          })}
          ${at >= 0 ? svg`<path class="cross" d=${`M${short(share * 300)} 0V100`}/>` : nothing}
        </svg>
        ${at >= 0
          ? html`<span class=${`at ${share > 0.5 ? "left" : ""}`} role="status" style=${{ left: `${short(share * 100)}%` }}
              >${timeOf(times[at])}, ${said(values)}</span>`
          : nothing}
      </div>
      <div class="axis" aria-hidden="true">
        ${labels.map((time, each) => tick(`${short((each * 100) / 3)}%`, timeOf(time), each === 0, each === 3))}
      </div>
    </figure>`;
}

/** A round number above. @param {number} value */
function niceAbove(value) {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((each) => each * unit).find((each) => each >= value) ?? 10 * unit;
}
