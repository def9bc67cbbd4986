/** Lines of the log as they are shown: each run with what was logged while it ran below it. */

/** @typedef {import("../ui/traceback.js").RaisedError} RaisedError */
/**
 * @typedef {object} LogLine as `_system/logs:lines` gives it
 * @property {string} process @property {number} number @property {number} time @property {string} level
 * @property {string} logger @property {string} text @property {string | null} function @property {string | null} job
 * @property {string | null} request @property {string | null} outcome @property {string | null} kind
 * @property {number | null} milliseconds @property {number | null} attempt @property {string | null} cron
 * @property {number} scheduled @property {RaisedError[]} errors @property {Record<string, string>} extra
 */
/** @typedef {{ key: string, time: number, run: LogLine | null, records: LogLine[] }} Entry */

export const MOST_KEPT = 1_500;

/** @param {LogLine} line */
export const keyOf = ({ process, number }) => `${process} ${number}`;

/** The lines that are known and those that came, each once, the oldest first. @param {LogLine[]} known @param {LogLine[]} came */
export function merged(known, came) {
  const by = new Map([...known, ...came].map((line) => [keyOf(line), line]));
  return [...by.values()].sort((a, b) => a.time - b.time || a.number - b.number).slice(-MOST_KEPT);
}

/** What belongs together: the lines of one job, or of one request. A line of no call stands alone. @param {LogLine} line */
function callOf({ process, function: name, job, request }) {
  if (!name || (!job && !request)) return null;
  return `${process} ${job ?? ""} ${job ? "" : request}`;
}

/**
 * Runs and what was logged within them. A run is a line once it is over, so its records come before it.
 * @param {LogLine[]} lines the oldest first @returns {Entry[]} the oldest first
 */
export function entriesOf(lines) {
  const entries = /** @type {Entry[]} */ ([]);
  const requests = /** @type {Map<string, Entry>} */ (new Map());
  const waiting = /** @type {Map<string, LogLine[]>} */ (new Map());
  for (const line of lines) {
    const call = callOf(line);
    const records = call === null ? [] : waiting.get(call) ?? [];
    const answered = line.request && !line.function ? requests.get(line.request) : undefined;
    if (line.outcome !== null) {
      const entry = { key: keyOf(line), time: line.time, run: line, records };
      entries.push(entry);
      if (line.request) requests.set(line.request, entry);
      if (call !== null) waiting.delete(call);
    } else if (answered) {
      answered.records.push(line); // the line of the request for which it ran
    } else if (call === null) {
      entries.push({ key: keyOf(line), time: line.time, run: null, records: [line] });
    } else {
      waiting.set(call, [...records, line]);
    }
  }
  for (const [call, records] of waiting) {
    const last = records[records.length - 1];
    entries.push({ key: `call ${call} ${records[0].number}`, time: last.time, run: null, records });
  }
  return entries.sort((a, b) => a.time - b.time);
}
