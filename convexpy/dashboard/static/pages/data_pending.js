/** Changes of rows that are not saved yet: of cells, of whole rows, and new rows. They are saved together, or none. */

import { ConvexError, mutation } from "../ui/api.js";
import { plural } from "../ui/format.js";
import { signal } from "../ui/render.js";
import { quoted } from "./data_cells.js";

/** @import { Cell, Column } from "./data_cells.js" */
/** @import { TableChanges } from "../ui/diff.js" */
/** @typedef {{ kind: "insert" | "update" | "delete", key: string[], values: Map<string, string | null>, seen: Map<string, Cell> }} Change */
/** @typedef {Map<string, string>} Kinds of columns, by their names */
/** @typedef {{ message: string, column: string | null, differences: { column: string, old: Cell, new: Cell }[] }} Problem */
/** @typedef {{ table: string, action: string, columns: string[], count: number, more: boolean }} Effect */
/** @typedef {{ kind: Change["kind"], key: string[], values: { column: string, old: Cell, new: Cell }[], effects: Effect[], problem: Problem | null }} Outcome */

/** The id of a row that is to be inserted. */
export const NEW = "new";
/** @param {readonly string[]} key */
export const idOf = (key) => JSON.stringify(key);
const ACTIONS = /** @type {const} */ ({ insert: "inserted", update: "updated", delete: "deleted" });

export class Pending {
  /** By the id of the row. */
  changes = signal(/** @type {Map<string, Change>} */ (new Map()));
  /** Why they were refused, by the id of the row. */
  problems = signal(/** @type {Map<string, Problem>} */ (new Map()));
  isSaving = signal(false);
  reason = signal("");

  /** @param {string} table */
  constructor(table) {
    this.table = table;
  }

  /** @param {string} id */
  of(id) {
    return this.changes.value.get(id);
  }

  /** @param {string} id @param {string} column */
  isChanged(id, column) {
    return this.of(id)?.values.has(column) === true;
  }

  /** A cell of a row that is there. @param {string[]} key @param {string} column @param {string | null} value @param {Cell} seen */
  edit(key, column, value, seen) {
    const change = this.#begun(idOf(key), "update", key);
    const first = change.seen.has(column) ? /** @type {Cell} */ (change.seen.get(column)) : seen;
    if (value === first) change.values.delete(column);
    else change.values.set(column, value);
    change.seen.set(column, first);
    this.#put(idOf(key), change.values.size > 0 ? change : null);
  }

  /** A cell of the new row; undefined leaves it to its default. @param {string} column @param {string | null | undefined} value */
  fill(column, value) {
    const change = this.#begun(NEW, "insert", []);
    if (value === undefined) change.values.delete(column);
    else change.values.set(column, value);
    this.#put(NEW, change);
  }

  /** Begin a new row. */
  begin() {
    this.#put(NEW, this.#begun(NEW, "insert", []));
  }

  /** Go on from what a row is now. @param {string} id @param {Problem} problem */
  acceptNow(id, problem) {
    const change = this.changes.peek().get(id);
    if (!change) return;
    const seen = new Map([...change.seen, ...problem.differences.map((each) => /** @type {[string, Cell]} */ ([each.column, each.new]))]);
    this.#put(id, { ...change, seen });
  }

  /** Forget the changes of a row, or all. @param {string} [id] */
  discard(id) {
    if (id === undefined) {
      this.changes.value = new Map();
      this.problems.value = new Map();
    } else this.#put(id, null);
  }

  /** How many there are: cells of rows that are there, and new rows. */
  get count() {
    return [...this.changes.value.values()].reduce((sum, { kind, values }) => sum + (kind === "update" ? values.size : 1), 0);
  }

  /** "2 changes", "1 new row". */
  get title() {
    const inserted = this.of(NEW) ? 1 : 0;
    const changed = this.count - inserted;
    return [changed > 0 && plural(changed, "change"), inserted > 0 && "1 new row"].filter(Boolean).join(", ");
  }

  get hasValues() {
    return [...this.changes.value.values()].some(({ values }) => values.size > 0);
  }

  /** What the button says: "Save 2 changes". */
  get words() {
    const kinds = new Set([...this.changes.value.values()].map(({ kind }) => kind));
    return kinds.has("insert") && kinds.size === 1 ? "Save the new row" : `Save ${plural(this.count, "change")}`;
  }

  /** As diffs are shown. @param {Kinds} kinds @returns {TableChanges[]} */
  diff(kinds) {
    const rows = [...this.changes.value.values()].map(({ kind, key, values, seen }) => ({
      action: ACTIONS[kind],
      key: key.join(", "),
      before: kind === "insert" ? null : record([...values.keys()].map((name) => [name, seen.get(name) ?? null]), kinds),
      after: record([...values], kinds),
    }));
    return [{ table: this.table, rows }];
  }

  /** What would happen. @returns {Promise<{ changes: Outcome[], isPossible: boolean }>} */
  async preview() {
    const found = await mutation("_system/data:preview", { table: this.table, changes: this.#given() });
    const ids = [...this.changes.peek().keys()];
    this.problems.value = new Map(found.changes.flatMap((/** @type {Outcome} */ each, /** @type {number} */ at) => (each.problem ? [[ids[at], each.problem]] : [])));
    return found;
  }

  /** Save all. What is refused is kept in `problems`. @returns {Promise<Outcome[] | null>} null: refused */
  async save() {
    if (this.isSaving.peek() || this.changes.peek().size === 0) return null;
    this.isSaving.value = true;
    const ids = [...this.changes.peek().keys()];
    try {
      const { changes } = await mutation("_system/data:save", { table: this.table, changes: this.#given(), reason: this.reason.peek() });
      this.discard();
      this.reason.value = "";
      return changes;
    } catch (error) {
      const refused = error instanceof ConvexError ? /** @type {any} */ (error).data : null;
      if (!refused?.problem) throw error;
      this.problems.value = new Map([[ids[refused.index], refused.problem]]);
      return null;
    } finally {
      this.isSaving.value = false;
    }
  }

  #given() {
    return [...this.changes.peek().values()].map(({ kind, key, values, seen }) => ({
      kind,
      key,
      values: [...values].map(([column, value]) => ({ column, value })),
      seen: [...seen].map(([column, value]) => ({ column, value })),
    }));
  }

  /** @param {string} id @param {"insert" | "update"} kind @param {string[]} key @returns {Change} */
  #begun(id, kind, key) {
    const known = this.changes.peek().get(id);
    return { kind, key, values: new Map(known?.values), seen: new Map(known?.seen) };
  }

  /** @param {string} id @param {Change | null} change */
  #put(id, change) {
    const changes = new Map(this.changes.peek());
    if (change) changes.set(id, change);
    else changes.delete(id);
    this.changes.value = changes;
    const problems = new Map(this.problems.peek());
    if (problems.delete(id)) this.problems.value = problems;
  }
}

/** @param {[string, Cell][]} values @param {Kinds} kinds @returns {Record<string, string>} */
const record = (values, kinds) => Object.fromEntries(values.map(([name, cell]) => [name, quoted(cell, kinds.get(name))]));

/** What a preview or a saving tells, as diffs are shown. @param {string} table @param {readonly Outcome[]} outcomes @param {Kinds} kinds @returns {TableChanges[]} */
export function diffOf(table, outcomes, kinds) {
  const rows = outcomes.map(({ kind, key, values }) => ({
    action: ACTIONS[kind],
    key: key.join(", "),
    before: kind === "insert" ? null : record(values.map((each) => [each.column, each.old]), kinds),
    after: kind === "delete" ? null : record(values.map((each) => [each.column, each.new]), kinds),
  }));
  return [{ table, rows }];
}

/** The deletion of rows as they are shown. @param {string} table @param {readonly { key: string[], cells: Cell[] }[]} rows @param {readonly Column[]} columns */
export const deletions = (table, rows, columns) => ({
  table,
  changes: rows.map(({ key, cells }) => ({
    kind: "delete",
    key,
    seen: columns.map(({ name }, at) => ({ column: name, value: cells[at] })),
  })),
});
