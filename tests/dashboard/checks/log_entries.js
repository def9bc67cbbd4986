import { entriesOf, merged, MOST_KEPT } from "/dashboard/static/pages/log_entries.js";
import { same } from "./check.js";

const EMPTY = { level: "INFO", logger: "shop", text: "", function: null, job: null, request: null, outcome: null, kind: null, milliseconds: null, attempt: null, cron: null, scheduled: 0, errors: [], extra: {} };
const line = (number, given) => ({ ...EMPTY, process: "p", number, time: number * 1_000, ...given });
const shapes = (lines) => entriesOf(lines).map(({ run, records }) => [run?.number ?? null, records.map((each) => each.number)]);
const place = { function: "orders:place", request: "r1" };
const charge = { function: "orders:charge", job: "j1", request: "r2" };

export default {
  "what was logged within a run stands below it"() {
    same(shapes([line(1, place), line(2, place), line(3, { ...place, outcome: "success" })]), [[3, [1, 2]]]);
  },
  "each attempt of a job has its own records"() {
    const lines = [line(1, charge), line(2, { ...charge, request: null, outcome: "retry" }), line(3, { ...charge, request: "r3" }), line(4, { ...charge, request: null, outcome: "success" })];
    same(shapes(lines), [[2, [1]], [4, [3]]]);
  },
  "two requests at once are kept apart"() {
    const other = { ...place, request: "r9" };
    const lines = [line(1, place), line(2, other), line(3, { ...other, outcome: "success" }), line(4, { ...place, outcome: "failed" })];
    same(shapes(lines), [[3, [2]], [4, [1]]]);
  },
  "a run that is not over has its records together"() {
    same(shapes([line(1, charge), line(2, {}), line(3, charge)]), [[null, [2]], [null, [1, 3]]]);
  },
  "the line of a request stands below what it called"() {
    const access = line(5, { logger: "convexpy.access", request: "r1" });
    same(shapes([line(3, { ...place, outcome: "success" }), access]), [[3, [5]]]);
    same(shapes([access]), [[null, [5]]]);
  },
  "processes may have the same numbers"() {
    same(shapes([line(1, { ...place, outcome: "success" }), { ...line(1, { ...place, outcome: "success" }), process: "q" }]), [[1, []], [1, []]]);
  },
  "lines that came again are there once, in order, and not without an end"() {
    const [first, second] = [line(1), line(2)];
    same(merged([second], [first, second]).map(({ number }) => number), [1, 2]);
    const many = Array.from({ length: MOST_KEPT + 10 }, (_, at) => line(at + 1));
    same([merged(many, []).length, merged(many, [])[0].number], [MOST_KEPT, 11]);
  },
};
