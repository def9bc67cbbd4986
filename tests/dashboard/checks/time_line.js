import { partOf, rowsOf, scaleOf, ticksOf } from "/dashboard/static/pages/job_time_line.js";
import { same } from "./check.js";

const T = 1_800_000_000_000;
const WORDS = { note: () => "", by: () => "" };

/** @param {string} id @param {Record<string, any>} [job] @param {Record<string, any>} [node] */
function node(id, job = {}, node = {}) {
  const known = {
    id,
    name: `shop:${id}`,
    kind: "mutation",
    state: "success",
    args: "{}",
    error: null,
    lastError: null,
    attempts: 1,
    cron: null,
    parent: null,
  };
  const times = { scheduledTime: T, nextTry: null, startedTime: T, completedTime: T + 10 };
  const others = { parentName: null, request: null, origin: null, retryOf: null };
  return /** @type {any} */ ({
    job: { ...known, ...times, ...others, ...job },
    link: "first",
    above: null,
    depth: 0,
    rolledBack: [],
    ...node,
  });
}

export default {
  "what began a job comes first, then what is under it"() {
    const origin = { function: "shop:place", caller: "http", user: "|ada", actor: null, started: T - 50, attempt: 1 };
    const nodes = [
      node("a", { origin }),
      node(
        "b",
        { scheduledTime: T + 20, startedTime: T + 30, completedTime: T + 40 },
        { link: "scheduled", above: "a" },
      ),
    ];
    const rows = rowsOf(nodes, nodes, T, WORDS);
    same(
      rows.map(({ id, depth, above }) => [id, depth, above]),
      [
        ["request", 0, -1],
        ["call", 1, 0],
        ["a", 2, 1],
        ["b", 3, 2],
      ],
    );
  },
  "a retry by hand has a line for the person"() {
    const nodes = [
      node("a", { state: "failed" }),
      node(
        "b",
        { scheduledTime: T + 500, startedTime: T + 500, completedTime: T + 510, retryOf: "a" },
        { link: "retried", above: "a" },
      ),
    ];
    const rows = rowsOf(nodes, nodes, T, { note: () => "", by: () => "mira" });
    same(
      rows.map(({ id, by, depth }) => [id, by ?? "", depth]),
      [
        ["a", "", 0],
        ["by b", "mira", 1],
        ["b", "", 2],
      ],
    );
    same(
      rows[0].bars.map(({ kind }) => kind),
      ["failed"],
    );
  },
  "attempts that were rolled back come before the run, with waits between"() {
    const rolledBack = [
      { attempt: 1, startedTime: T + 10, seconds: 0.02, outcome: "conflict", error: null, lostTo: null, lostOn: null },
    ];
    const nodes = [node("a", { startedTime: T + 50, completedTime: T + 60, attempts: 2 }, { rolledBack })];
    same(
      rowsOf(nodes, nodes, T, WORDS)[0].bars.map(({ kind }) => kind),
      ["wait", "rolledBack", "wait", "ran"],
    );
  },
  "where nothing ran is folded, and the true scale unfolds it"() {
    const nodes = [
      node("a"),
      node(
        "b",
        { scheduledTime: T + 60_000, startedTime: T + 60_000, completedTime: T + 60_020 },
        { link: "scheduled", above: "a" },
      ),
    ];
    const rows = rowsOf(nodes, nodes, T, WORDS);
    const folded = scaleOf(rows, false);
    same([folded.pieces.length, folded.folds.length], [2, 1]);
    const times = [T, T + 5, T + 30_000, T + 60_000, T + 60_020].map(folded.x);
    same(
      [...times].sort((a, b) => a - b),
      times,
    );
    same(
      times.every((x) => x >= 0 && x <= 1),
      true,
    );
    const whole = scaleOf(rows, true);
    same([whole.pieces.length, whole.folds.length], [1, 0]);
    same(whole.x(T + 30_010) > 0.4 && whole.x(T + 30_010) < 0.55, true);
  },
  "ticks are round, and within their piece"() {
    const ticks = ticksOf({ begin: T, end: T + 1_000, from: 0, to: 0.5 });
    same(
      ticks.map(({ after }) => after),
      [200, 400, 600, 800],
    );
  },
  "of a large tree the way down to a job is shown, and what is under it"() {
    const chain = Array.from({ length: 60 }, (_, at) =>
      node(`n${at}`, {}, at ? { link: "scheduled", above: `n${at - 1}`, depth: at } : {}),
    );
    const part = partOf(chain, "n50");
    same(
      part.slice(0, 6).map(({ job }) => job.id),
      ["n0", "n47", "n48", "n49", "n50", "n51"],
    );
    const rows = rowsOf(part, chain, T, WORDS);
    same(rows[1].word, "… 46 jobs between");
    same(rows.map(({ depth }) => depth).slice(0, 4), [0, 1, 2, 3]);
  },
};
