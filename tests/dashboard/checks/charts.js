import { bars, chart, histogram, sparkline, strip } from "/dashboard/static/ui/charts.js";
import { duration, showUtc } from "/dashboard/static/ui/format.js";
import { html, mount, nothing, signal } from "/dashboard/static/ui/render.js";
import { errorsOf, place, same, settled } from "./check.js";

const NOW = Date.UTC(2026, 10, 30, 14, 32);
const MINUTES = Array.from({ length: 80 }, (_, at) => {
  const time = NOW + (at - 59) * 60_000;
  return at < 60 ? { time, ran: at, failed: at === 10 ? 2 : 0 } : { time, due: 3 };
});
const label = (/** @type {Element} */ box) => box.querySelector("[role=img]")?.getAttribute("aria-label");

export default {
  "charts say in words what they show"() {
    showUtc(true);
    const box = place();
    mount(box, () => sparkline([3, 12, 4], { label: "Jobs a second" }));
    same(label(box), "Jobs a second: 4 at last, between 3 and 12");
    mount(place(), () => nothing);
    const others = [
      [bars([0, 2, 1], { label: "Failed" }), "Failed: 3 in all, 2 at most"],
      [strip({ minutes: MINUTES, now: NOW }), "Jobs a minute, from 13:33 to 14:53: 1,770 ran, 2 failed, 60 are due"],
      [histogram([{ upTo: 10, count: 3 }, { upTo: 20, count: 1 }], { label: "Durations", format: duration, marks: [{ value: 15, label: "p95" }] }), "Durations: 4 values. p95 15 ms"],
      [chart({ title: "Lag", times: [NOW, NOW + 60_000], series: [{ name: "p50", values: [1, 2] }, { name: "p95", values: [null, 4] }] }), "Lag, p50: 2 at last, between 1 and 2. Lag, p95: 4 at last, between 4 and 4"],
    ];
    for (const [view, words] of others) {
      const each = place();
      mount(each, () => view);
      same(label(each), words);
    }
  },
  "what failed differs from what ran by its shape"() {
    const box = place();
    mount(box, () => strip({ minutes: MINUTES, now: NOW }));
    same([box.querySelectorAll("rect.ran").length, box.querySelectorAll("rect.failed").length, box.querySelectorAll(".diamond").length, box.querySelectorAll(".due").length], [59, 1, 1, 20]);
  },
  async "nothing, one and much are drawn without an error"() {
    const box = place();
    const found = await errorsOf(() => {
      for (const values of [[], [0], [5], [0, 0], [1e12, 1], Array.from({ length: 5_000 }, (_, at) => at)]) {
        mount(box, () => html`${sparkline(values, { label: "a" })}${bars(values, { label: "b" })}
          ${histogram(values.slice(0, 50).map((count, upTo) => ({ upTo, count })), { label: "c" })}
          ${chart({ title: "d", times: values.map((_, at) => NOW + at * 60_000), series: [{ name: "e", values, kind: "area" }] })}
          ${strip({ minutes: values.slice(0, 80).map((ran, at) => ({ time: NOW + at * 60_000, ran })), now: NOW })}`);
      }
    });
    same(found, []);
    same(/NaN|Infinity|undefined/.test(box.innerHTML), false);
  },
  async "dragging over the strip chooses whole minutes"() {
    const box = place();
    const chosen = signal(/** @type {[number, number] | null} */ (null));
    mount(box, () => strip({ minutes: MINUTES, now: NOW, chosen: chosen.value, onChoose: (from, to) => (chosen.value = [from, to]) }));
    const image = /** @type {SVGElement} */ (box.querySelector("svg"));
    const { left, width } = image.getBoundingClientRect();
    image.setPointerCapture = () => {};
    const at = (/** @type {string} */ type, /** @type {number} */ minute) => image.dispatchEvent(new PointerEvent(type, { button: 0, clientX: left + (minute / 80) * width, bubbles: true }));
    at("pointerdown", 20.4);
    at("pointerup", 10.6);
    await settled();
    same(chosen.value, [MINUTES[10].time, MINUTES[21].time]);
    same(box.querySelectorAll(".chosen").length, 1);
  },
  async "the arrow keys read a chart"() {
    const box = place();
    mount(box, () => chart({ title: "Lag", times: MINUTES.map(({ time }) => time), series: [{ name: "a", values: MINUTES.map((_, at) => at) }] }));
    const plot = /** @type {HTMLElement} */ (box.querySelector(".plot"));
    for (const key of ["ArrowLeft", "ArrowLeft", "ArrowRight"]) {
      plot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      await settled();
    }
    same(box.querySelector(".at")?.textContent, "14:51, 78");
  },
};
