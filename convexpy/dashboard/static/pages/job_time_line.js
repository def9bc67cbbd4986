/** The time line of a tree of jobs: where each bar begins and ends, in a scale that leaves out where nothing ran. */

/** @import { Job } from "../ui/job_parts.js" */
/** @typedef {{ attempt: number, startedTime: number, seconds: number, outcome: string, error: string | null, lostTo: string | null, lostOn: string | null }} RolledBack */
/** @typedef {{ job: Job, link: "first" | "scheduled" | "retried", above: string | null, depth: number, rolledBack: RolledBack[] }} Node */
/** @typedef {{ kind: "wait" | "ran" | "failed" | "rolledBack" | "runs" | "request", begin: number, end: number }} Bar */
/**
 * A line of the time line.
 * @typedef {object} Row
 * @property {string} id @property {number} depth @property {Node} [node] @property {string} [word] instead of a job
 * @property {string} [by] @property {string} [name] of a function @property {string} kind said at the right of the name
 * @property {string} state @property {Bar[]} bars @property {number} [dot] a person, at a time
 * @property {number | null} from when what is above began it @property {number} above the index of the row above, or -1
 * @property {string} note beside its last bar @property {"bad" | "warn" | ""} tone
 */
/** @typedef {{ begin: number, end: number, from: number, to: number }} Piece times, and the part of the width that they take */
/** @typedef {{ pieces: Piece[], folds: { begin: number, end: number, from: number, to: number }[], x(time: number): number }} Scale */

const SHORTEST = 2; // milliseconds: what took less is drawn as this
const FOLD = 0.05; // of the width
const MOST_FOLDS = 8;
const SMALLEST_PIECE = 0.08;
const DAY = 86_400_000;
const STEPS = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((each) => each * 1_000),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map((each) => each * 60_000),
];
const FEW = 24; // lines
const NEAREST = 4; // of the way down to a job, itself among them

/**
 * Of a large tree, the part that a job is in: the way down to it, and what is under it.
 * @param {Node[]} nodes @param {string} here @returns {Node[]}
 */
export function partOf(nodes, here) {
  if (nodes.length <= FEW) return nodes;
  const known = new Map(nodes.map((node) => [node.job.id, node]));
  const way = /** @type {string[]} */ ([]);
  for (
    let id = /** @type {string | null} */ (here);
    id !== null && !way.includes(id);
    id = known.get(id)?.above ?? null
  )
    way.unshift(id);
  const kept = new Set([way[0], ...way.slice(-NEAREST)]);
  let under = 0;
  for (const { job, above } of nodes) {
    const isUnder = above !== null && kept.has(above) && !way.slice(0, -1).includes(above);
    if (isUnder && under++ < FEW) kept.add(job.id);
  }
  return nodes.filter(({ job }) => kept.has(job.id));
}

/** When a job was scheduled, if its id tells. @param {Job} job */
export function createdTime(job) {
  const time = parseInt(job.id.slice(0, 12), 16);
  const last = job.completedTime ?? job.startedTime ?? job.scheduledTime;
  return time <= last + 1_000 && time > last - 6 * 366 * 86_400_000 ? Math.min(time, last) : null;
}

/** The bars of a job. @param {Node} node @param {number | null} from @param {number} now @returns {Bar[]} */
function barsOf({ job, rolledBack }, from, now) {
  const bars = /** @type {Bar[]} */ ([]);
  let last = from ?? Math.min(job.scheduledTime, job.startedTime ?? job.scheduledTime);
  const wait = (/** @type {number} */ until) => {
    if (until > last) bars.push({ kind: "wait", begin: last, end: until });
    last = Math.max(last, until);
  };
  for (const attempt of rolledBack) {
    wait(attempt.startedTime);
    const end = attempt.startedTime + Math.max(SHORTEST, attempt.seconds * 1_000);
    bars.push({ kind: "rolledBack", begin: attempt.startedTime, end });
    last = Math.max(last, end);
  }
  const { startedTime, completedTime, state } = job;
  if (startedTime !== null && (completedTime !== null || state === "inProgress")) {
    const end = Math.max(completedTime ?? now, startedTime + SHORTEST);
    wait(startedTime);
    bars.push({
      kind: state === "inProgress" ? "runs" : state === "failed" ? "failed" : "ran",
      begin: startedTime,
      end,
    });
  } else wait(completedTime ?? Math.max(job.nextTry ?? job.scheduledTime, last));
  return bars;
}

/**
 * The lines of a tree, what began it first.
 * @param {Node[]} nodes those that are shown @param {Node[]} all @param {number} now @param {{ note(node: Node): string, by(origin: import("../ui/job_parts.js").Origin | null): string }} words
 * @returns {Row[]}
 */
export function rowsOf(nodes, all, now, { note, by }) {
  const rows = /** @type {Row[]} */ ([]);
  const places = /** @type {Map<string, number>} */ (new Map());
  const { job: first } = nodes[0];
  const aboveOf = new Map(all.map(({ job, above }) => [job.id, above]));
  const base = { bars: [], from: null, note: "", tone: /** @type {const} */ ("") };
  const created = (/** @type {Node} */ { job }) => createdTime(job);
  const firsts = nodes.filter(({ link }) => link === "first");
  if (first.cron !== null) {
    rows.push({
      ...base,
      id: "cron",
      depth: 0,
      word: first.cron,
      kind: "cron",
      state: "success",
      above: -1,
      dot: first.scheduledTime,
    });
  } else if (first.origin?.started && first.retryOf === null) {
    const { started, caller, function: name, attempt } = first.origin;
    const end = Math.max(
      started + SHORTEST,
      ...firsts.map((node) => created(node) ?? started).filter((time) => time < started + 3_600_000),
    );
    const bar = { kind: /** @type {const} */ ("request"), begin: started, end };
    const who = by(first.origin);
    rows.push({
      ...base,
      id: "request",
      depth: 0,
      word: "Request",
      by: who,
      kind: caller ?? "",
      state: "success",
      bars: [bar],
      above: -1,
    });
    if (name) {
      const again = attempt > 1 ? `attempt ${attempt}` : "";
      const ran = { ...bar, kind: /** @type {const} */ ("ran") };
      rows.push({
        ...base,
        id: "call",
        depth: 1,
        name,
        kind: "call",
        state: "success",
        bars: [ran],
        above: 0,
        from: started,
        note: again,
      });
    }
  }
  const root = rows.length - 1;
  for (const node of nodes) {
    const { job, link } = node;
    let [above, between] = [node.above, 0];
    for (; above !== null && !places.has(above); between++) above = aboveOf.get(above) ?? null;
    let over = above !== null ? (places.get(above) ?? -1) : root;
    let depth = over >= 0 ? rows[over].depth + 1 : 0;
    if (between > 0) {
      const word = `… ${between} ${between === 1 ? "job" : "jobs"} between`;
      rows.push({ ...base, id: `before ${job.id}`, depth, word, kind: "", state: "", above: -1 });
      [over, depth] = [rows.length - 1, depth + 1];
    }
    const from = created(node);
    if (link === "retried") {
      const time = job.origin?.started ?? from ?? job.scheduledTime;
      const retried = {
        ...base,
        id: `by ${job.id}`,
        depth,
        word: "Retried",
        by: by(job.origin),
        kind: "by hand",
        state: "success",
      };
      const end = over >= 0 ? lastEnd(rows[over]) : null;
      const wait = end !== null && end < time ? [{ kind: /** @type {const} */ ("wait"), begin: end, end: time }] : [];
      rows.push({ ...retried, bars: wait, dot: time, from: end, above: over });
      [over, depth] = [rows.length - 1, depth + 1];
    }
    const parent = rows[over];
    const begun = from ?? (parent ? Math.min(lastEnd(parent) ?? job.scheduledTime, job.scheduledTime) : null);
    const conflict = node.rolledBack.some(({ outcome }) => outcome === "conflict");
    const tone = job.state === "failed" ? "bad" : conflict ? "warn" : "";
    places.set(job.id, rows.length);
    rows.push({
      id: job.id,
      depth,
      node,
      name: job.name,
      kind: job.kind,
      state: job.state,
      bars: barsOf(node, begun, now),
      from: begun,
      above: over,
      note: note(node),
      tone,
    });
  }
  return rows;
}

/** @param {Row} row */
const lastEnd = (row) => (row.bars.length > 0 ? row.bars[row.bars.length - 1].end : (row.dot ?? null));

/** The scale of a time line. @param {Row[]} rows @param {boolean} isTrue whether waits are as long as they took @returns {Scale} */
export function scaleOf(rows, isTrue) {
  const busy = rows.flatMap(({ bars, dot }) => [
    ...bars.filter(({ kind }) => kind !== "wait"),
    ...(dot === undefined ? [] : [{ begin: dot, end: dot + SHORTEST }]),
  ]);
  const ends = rows.flatMap(({ bars }) =>
    bars.filter(({ kind }) => kind === "wait").map(({ end }) => ({ begin: end, end: end + SHORTEST })),
  );
  const spans = merged([...busy, ...ends]);
  const clusters = isTrue ? [{ begin: spans[0].begin, end: spans[spans.length - 1].end }] : clustered(spans);
  const weights = clusters.map(({ begin, end }) => Math.log2(2 + (end - begin)));
  const room = 1 - FOLD * (clusters.length - 1) - 0.06; // at the right, for the words of the last bar
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const shares = weights.map((weight) => Math.max(SMALLEST_PIECE, weight / total));
  const sum = shares.reduce((all, share) => all + share, 0);
  const pieces = /** @type {Piece[]} */ ([]);
  const folds = /** @type {Piece[]} */ ([]);
  let at = 0;
  clusters.forEach(({ begin, end }, index) => {
    if (index > 0) {
      folds.push({ begin: clusters[index - 1].end, end: begin, from: at, to: at + FOLD });
      at += FOLD;
    }
    const to = at + (shares[index] / sum) * room;
    pieces.push({ begin, end, from: at, to });
    at = to;
  });
  const all = [...pieces, ...folds].sort((a, b) => a.begin - b.begin);
  const x = (/** @type {number} */ time) => {
    const piece = all.find(({ end }) => time <= end) ?? all[all.length - 1];
    const part = piece.end > piece.begin ? (time - piece.begin) / (piece.end - piece.begin) : 0;
    return piece.from + Math.min(1, Math.max(0, part)) * (piece.to - piece.from);
  };
  return { pieces, folds, x };
}

/** Spans that overlap are one. @param {{ begin: number, end: number }[]} spans */
function merged(spans) {
  const found = /** @type {{ begin: number, end: number }[]} */ ([]);
  for (const { begin, end } of spans.sort((a, b) => a.begin - b.begin)) {
    const last = found[found.length - 1];
    if (last && begin <= last.end) last.end = Math.max(last.end, end);
    else found.push({ begin, end });
  }
  return found.length > 0 ? found : [{ begin: 0, end: 1 }];
}

/** Spans between which little time passed, compared with themselves, are one. @param {{ begin: number, end: number }[]} spans */
function clustered(spans) {
  const found = spans.map((span) => ({ ...span }));
  const gap = (/** @type {number} */ at) => found[at + 1].begin - found[at].end;
  const isNear = (/** @type {number} */ at) => {
    const [less, more] = [found[at], found[at + 1]]
      .map(({ begin, end }) => end - begin)
      .sort((one, other) => one - other);
    return gap(at) <= Math.max(25, 3 * less, more / 2);
  };
  const join = (/** @type {number} */ at) => found.splice(at, 2, { begin: found[at].begin, end: found[at + 1].end });
  for (let at = 0; at < found.length - 1;) {
    if (isNear(at)) {
      join(at);
      at = Math.max(0, at - 1);
    } else at++;
  }
  while (found.length - 1 > MOST_FOLDS) {
    const gaps = found.slice(1).map((_, at) => gap(at));
    join(gaps.indexOf(Math.min(...gaps)));
  }
  return found;
}

/** Times within a piece that are worth a line, and how far after its begin. @param {Piece} piece @returns {{ time: number, after: number }[]} */
export function ticksOf({ begin, end, from, to }) {
  const most = Math.max(0, Math.floor((to - from) / 0.09));
  if (most === 0) return [];
  const raw = (end - begin) / most;
  const step = STEPS.find((each) => each >= raw) ?? Math.ceil(raw / DAY) * DAY;
  const ticks = [];
  for (let after = step; begin + after < end - step * 0.4; after += step) ticks.push({ time: begin + after, after });
  return ticks;
}
