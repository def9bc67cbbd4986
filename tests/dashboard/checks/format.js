import { bytes, clock, count, duration, functionName, instant, isUtc, now, number, plural, relative, showUtc } from "/dashboard/static/ui/format.js";
import { jsonLine, jsonText, jsonView } from "/dashboard/static/ui/json.js";
import { html, mount } from "/dashboard/static/ui/render.js";
import { place, same } from "./check.js";

const NOON = Date.UTC(2026, 10, 30, 12, 0, 0);

export default {
  "durations have the unit that fits"() {
    const all = [0, 0.04, 0.5, 1, 18.4, 999, 999.6, 1_234, 2_006, 9_996, 12_340, 48_400, 59_600, 180_000, 3_599_000, 7_200_000, 1e9];
    const texts = ["0 ms", "0.04 ms", "0.5 ms", "1 ms", "18 ms", "999 ms", "1 s", "1.23 s", "2.01 s", "10 s", "12.3 s", "48 s", "1 min", "3 min", "1 h", "2 h", "12 days"];
    same(all.map(duration), texts);
    same([duration(null), duration(undefined)], ["", ""]);
  },
  "near times are relative"() {
    now.value = NOON;
    const after = [0, 400, 2_000, 90_000, 180_000, 3_600_000, 12 * 86_400_000, -1_000, -120_000, -7_200_000];
    const texts = ["now", "now", "in 2 s", "in 2 min", "in 3 min", "in 1 h", "in 12 days", "1 s ago", "2 min ago", "2 h ago"];
    same(after.map((each) => relative(NOON + each)), texts);
    same(relative(null), "");
  },
  "clocks show the date past a day, in UTC or here"() {
    now.value = NOON;
    showUtc(true);
    const times = [NOON + 30_000, NOON + 12 * 86_400_000, NOON - 300 * 86_400_000];
    same(times.map(clock), ["12:00:30", "12 Dec", "3 Feb 2026"]);
    same(instant(NOON + 7), "30 Nov 2026, 12:00:00.007 UTC");
    showUtc(false);
    const here = new Date(NOON);
    same(clock(NOON).slice(0, 2), String(here.getHours()).padStart(2, "0"));
    same(localStorage.getItem("convexpy.utc"), "false");
    showUtc(true);
    same(isUtc.value, true);
  },
  "counts say where they stopped"() {
    same([number(14831), number(10n ** 18n), number(null)], ["14,831", "1,000,000,000,000,000,000", ""]);
    same([count(7), count({ count: 10000, more: true }), count({ count: 3, more: false }), count(undefined)], ["7", "10,000+", "3", ""]);
    same([plural(1, "job"), plural(0, "job"), plural(2, "query", "queries")], ["1 job", "0 jobs", "2 queries"]);
    same([bytes(0), bytes(999), bytes(18_234_000), bytes(999_960), bytes(3.1e9)], ["0 B", "999 B", "18.2 MB", "1 MB", "3.1 GB"]);
  },
  "the module of a function stands apart"() {
    const box = place();
    mount(box, () => html`${functionName("shop.orders:charge")}${functionName("plain")}${functionName(null)}`);
    same([...box.querySelectorAll(".fn")].map((each) => [...each.children].map((part) => part.textContent)), [["shop.orders:", "charge"], ["", "plain"]]);
  },
  "JSON is coloured text, and what JSON lacks is shown"() {
    const box = place();
    const value = { a: [1, "<b>x</b>", null, true], empty: {}, list: [], big: 2n ** 60n, small: 3n, bytes: new ArrayBuffer(3), nan: NaN };
    mount(box, () => html`${jsonView(value)}<p>${jsonLine(value)}</p><p>${jsonLine("x".repeat(500), 10)}</p>`);
    const text = box.querySelector("pre")?.textContent ?? "";
    const parsed = JSON.parse(text);
    same(parsed, { a: [1, "<b>x</b>", null, true], empty: {}, list: [], big: "1152921504606846976", small: 3, bytes: "<3 bytes>", nan: "NaN" });
    same([...box.querySelectorAll("pre .s")].length > 0 && box.querySelector("b"), null);
    same(JSON.parse(box.querySelectorAll("p")[0].textContent ?? ""), parsed);
    same(box.querySelectorAll("p")[1].textContent, `"xxxxxxxxx…`);
    same(JSON.parse(jsonText(value)), parsed);
  },
  "of a large value the beginning is shown"() {
    const box = place();
    mount(box, () => jsonView(Array.from({ length: 100_000 }, (_, at) => at)));
    same(/… [\d,]+ more pieces$/.test(box.textContent ?? ""), true);
    same(box.querySelectorAll("span").length < 4_000, true);
  },
};
