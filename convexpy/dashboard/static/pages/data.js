/** Data: the tables of the database, their rows page by page, and changes of these by hand. */

import { address, go, link, part, setParams } from "../ui/address.js";
import { isWritable, live, mutation, query } from "../ui/api.js";
import { plural } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { computed, effect, html, keyed, nothing, signal } from "../ui/render.js";
import { onClose as onPageClose } from "../ui/scope.js";
import { openSheet } from "../ui/sheet.js";
import { empty, problem, waitingLines } from "../ui/states.js";
import { table as listOf } from "../ui/table.js";
import { failed, toast, trying } from "../ui/toast.js";
import { filterBar } from "../ui/tokens.js";
import { cellView, isNumber, longCount, shortCount, widthOf } from "./data_cells.js";
import { filtersOf, readFilters, tokenNames, tokensOf, writeFilters } from "./data_filters.js";
import { outcomesView } from "./data_outcomes.js";
import { deletions, idOf, NEW, Pending } from "./data_pending.js";
import { newRowPanel, rowPanel } from "./data_row.js";
import { schemaView } from "./data_schema.js";

/** @import { Page } from "../ui/pages.js" */
/** @import { Count, Row, Table } from "./data_cells.js" */
/** @import { Outcome } from "./data_pending.js" */
/** @typedef {{ name: string, kind: string, isFramework: boolean, isDeclared: boolean, count: Count | null }} Listed */
/** @typedef {{ changes: Outcome[], isPossible: boolean }} Checked */
/** @typedef {{ columns: string[], rows: Row[], cursor: string | null, order: string[], note: string | null }} Rows */

const LIMIT = 50;
const narrow = matchMedia("(max-width: 1180px)");

/** @type {Page} */
export default {
  title: "Data",
  hasStyle: true,
  open(scope) {
    const page = new DataPage();
    scope.keys({
      n: { label: "New row", run: () => page.begin() },
      Esc: () => page.close(),
      "Ctrl Enter": { label: "Save the changes", run: () => page.save() },
      "[": { label: "The page before", run: () => page.back() },
      "]": { label: "The next page", run: () => page.forward() },
    });
    scope.commands = () => page.commands();
    return () => page.view();
  },
};

class DataPage {
  #tables = live("_system/data:tables");
  #name = computed(() => address.value.parts[0] ?? "");
  #isSchema = computed(() => address.value.params.get("view") === "schema");
  #table = live.of(() => this.#name.value && ["_system/data:table", { table: this.#name.value }]);
  /** Where the pages before this one began: their cursors. */
  #before = signal(/** @type {(string | null)[]} */ ([]));
  #cursor = signal(/** @type {string | null} */ (null));
  #question = computed(() => JSON.stringify({ table: this.#name.value, ...this.#order(), cursor: this.#cursor.value, limit: LIMIT }));
  #rows = live.of(() => this.#name.value && !this.#isSchema.value && ["_system/data:rows", JSON.parse(this.#question.value)]);
  #fresh = signal(/** @type {{ question: string, value: Rows } | null} */ (null));
  #freshRow = signal(/** @type {any} */ (null));
  #key = computed(() => keyIn(address.value.params.get("row")));
  #isNew = computed(() => address.value.params.get("new") === "true");
  #row = live.of(() => this.#key.value && ["_system/data:row", { table: this.#name.value, key: this.#key.value }]);
  #pending = new Pending("");
  #list;
  #bar;

  constructor() {
    effectOfPage(() => this.#toFirstTable());
    effectOfPage(() => {
      const [fresh, now] = [this.#freshRow.peek(), this.#row.value];
      // A row that was inserted just now may not be there yet for the subscription.
      if (!this.#key.value || now || (fresh && idOf(fresh.row.key) !== idOf(this.#key.value))) this.#freshRow.value = null;
    });
    effectOfPage(() => {
      this.#question.value;
      this.#rows.value;
      this.#fresh.value = null; // the server has said something newer
    });
    let shown = "";
    effectOfPage(() => {
      const now = JSON.stringify([this.#name.value, this.#order()]);
      if (now === shown) return;
      shown = now;
      [this.#before.value, this.#cursor.value] = [[], null];
    });
    effectOfPage(() => {
      if (this.#pending.table !== this.#name.value) this.#pending = new Pending(this.#name.value);
    });
    const page = this;
    let isRead = true; // the list adds its keys for a selection now
    this.#list = listOf({
      label: "Rows",
      columns: () => this.#columns(),
      groups: () => [{ id: "rows", items: this.#shownRows()?.rows ?? [] }],
      key: (/** @type {Row} */ row) => idOf(row.key),
      name: (/** @type {Row} */ row) => row.key.join(", "),
      onOpen: (/** @type {Row} */ row) => this.#openRow(row),
      lineClass: (/** @type {Row} */ row) => (this.#key.value && idOf(row.key) === idOf(this.#key.value) ? "sel" : ""),
      stateOf: (/** @type {Row} */ row) => JSON.stringify(row.cells),
      context: () => this.#question.value,
      isLoading: () => this.#rows.isLoading,
      get isSelectable() {
        return isRead || page.#isEditable();
      },
    });
    isRead = false;
    this.#bar = computed(() => {
      const table = this.#shownTable();
      return table && filterBar({
        tokens: () => tokensOf(readFilters(address.value.params.get("filter"))),
        names: tokenNames(table.columns),
        onChange: (tokens) => setParams({ filter: writeFilters(filtersOf(tokens)) }, { replace: false }),
        placeholder: `Add a filter: ${table.columns.find(({ inKey }) => !inKey)?.name ?? table.columns[0]?.name} = …`,
      });
    });
  }

  /** The table of the address; while another one is loaded, none. @returns {Table | undefined} */
  #shownTable() {
    return this.#table.value?.name === this.#name.value ? this.#table.value : undefined;
  }

  /** Whether rows of the table can be changed, with this key. */
  #isEditable() {
    return this.#shownTable()?.readOnly === null && isWritable();
  }

  #order() {
    const { params } = address.value;
    return { filter: readFilters(params.get("filter")), sort: params.get("sort"), descending: params.get("descending") === "true" };
  }

  /** @returns {Rows | undefined} */
  #shownRows() {
    const fresh = this.#fresh.value;
    const found = fresh?.question === this.#question.value ? fresh.value : this.#rows.value;
    const table = this.#shownTable();
    const fits = found && table && found.columns.join() === table.columns.map(({ name }) => name).join();
    return fits ? found : undefined;
  }

  #toFirstTable() {
    const first = this.#tables.value?.find((/** @type {Listed} */ { isFramework }) => !isFramework);
    if (!this.#name.value && first && !narrow.matches && address.value.page === "data") go(`/data/${part(first.name)}`, {}, { replace: true });
  }

  #columns() {
    const table = this.#shownTable();
    const rows = this.#shownRows()?.rows ?? [];
    const { sort, descending } = this.#order();
    const sorted = sort ?? (table?.key.length === 1 ? table.key[0] : null);
    return (table?.columns ?? []).map((column, at) => {
      const direction = column.name === sorted ? (descending ? "descending" : "ascending") : "none";
      const isLast = at === (table?.columns.length ?? 0) - 1;
      const sortBy = () => this.#sortBy(column.name, direction);
      return {
        id: column.name,
        title: html`${column.name}${column.inKey ? html`<span class="dim beside">key</span>` : nothing}`,
        width: isLast ? undefined : widthOf(column, rows.map(({ cells }) => cells[at])),
        isNumber: isNumber(column),
        className: "mono",
        place: /** @type {"what" | "size" | "when" | "state" | undefined} */ (this.#placeOf(at)),
        sorted: /** @type {"ascending" | "descending" | "none"} */ (direction),
        onSort: column.sortable ? sortBy : undefined,
        view: (/** @type {Row} */ row) => this.#cell(row, at),
      };
    });
  }

  /** Where a column stands in the two lines of a narrow screen: the key, then the first others. @param {number} at */
  #placeOf(at) {
    const columns = this.#shownTable()?.columns ?? [];
    const order = [...columns.keys()].sort((a, b) => Number(columns[b].inKey) - Number(columns[a].inKey) || a - b);
    return ["what", "state", "when", "size"][order.indexOf(at)];
  }

  /** @param {Row} row @param {number} at */
  #cell(row, at) {
    const table = this.#shownTable();
    const column = table?.columns[at];
    if (!column) return nothing;
    const change = this.#pending.of(idOf(row.key));
    const open = (/** @type {MouseEvent} */ event) => void (event.stopPropagation(), this.#openRow(row, column.name));
    const isChanged = change?.values.has(column.name) === true;
    const cell = isChanged ? (change?.values.get(column.name) ?? null) : row.cells[at];
    return html`<span class=${isChanged ? "edited" : nothing} @dblclick=${open}>${cellView(cell, column)}</span>`;
  }

  /** @param {string} column @param {string} direction */
  #sortBy(column, direction) {
    const descending = direction === "none" ? null : direction === "ascending";
    setParams({ sort: column, descending }, { replace: false });
  }

  /** @param {Row} row @param {string} [column] the field that gets the focus */
  #openRow(row, column) {
    if (row.key.length === 0) return;
    setParams({ row: JSON.stringify(row.key), new: null }, { replace: this.#key.peek() !== null });
    if (column) setTimeout(() => /** @type {HTMLElement | null} */ (document.querySelector(`.data-side [data-column="${CSS.escape(column)}"]`))?.focus(), 150);
  }

  begin() {
    if (!this.#isEditable()) return false;
    this.#pending.begin();
    setParams({ new: "true", row: null, view: null }, { replace: false });
  }

  close() {
    if (!this.#key.peek() && !this.#isNew.peek()) return false;
    if (this.#isNew.peek()) this.#pending.discard(NEW);
    setParams({ row: null, new: null }, { replace: false });
  }

  back() {
    const before = this.#before.peek();
    if (before.length === 0) return false;
    [this.#cursor.value, this.#before.value] = [before[before.length - 1], before.slice(0, -1)];
    this.#toTop();
  }

  forward() {
    const cursor = this.#shownRows()?.cursor;
    if (!cursor) return false;
    [this.#before.value, this.#cursor.value] = [[...this.#before.peek(), this.#cursor.peek()], cursor];
    this.#toTop();
  }

  #toTop() {
    const box = document.querySelector(".grid-box");
    if (box) box.scrollTop = 0;
  }

  save() {
    if (this.#pending.count === 0) return false;
    void trying(async () => {
      const saved = await this.#pending.save();
      if (saved === null) return;
      toast({ text: `${plural(saved.length, "row")} of ${this.#name.peek()} saved`, state: "success" });
      if (this.#isNew.peek()) setParams({ new: null, row: saved[0].key.length > 0 ? JSON.stringify(saved[0].key) : null });
      await this.#refresh();
    }, "Not saved");
  }

  /** What was saved is shown at once, and not with the next look of the subscription. */
  async #refresh() {
    const question = this.#question.peek();
    const [table, key] = [this.#name.peek(), this.#key.peek()];
    const [value, row] = await Promise.all([
      query("_system/data:rows", JSON.parse(question)),
      key && query("_system/data:row", { table, key }),
    ]);
    this.#fresh.value = { question, value };
    if (row) this.#freshRow.value = row;
  }

  async #check() {
    const found = /** @type {Checked | undefined} */ (await trying(() => this.#pending.preview(), "Not checked"));
    if (!found) return;
    const title = found.isPossible ? `This would change ${plural(found.changes.length, "row")}` : "This cannot be saved";
    const save = (/** @type {() => void} */ close) => () => (close(), this.save());
    openSheet((/** @type {() => void} */ close) => html`<div class="outcome">
      ${outcomesView(this.#shownTable(), found.changes)}
      <div class="row">${found.isPossible ? html`<button type="button" class="btn primary" @click=${save(close)}>${this.#pending.words}</button>` : nothing}
        <button type="button" class="btn quiet" @click=${close}>Back</button></div></div>`, { title });
  }

  /** @param {Row[]} rows */
  async #remove(rows) {
    const table = this.#shownTable();
    if (!table || rows.length === 0) return;
    const given = deletions(table.name, rows, table.columns);
    const found = /** @type {Checked | undefined} */ (await trying(() => mutation("_system/data:preview", given), "Not checked"));
    if (!found) return;
    const reason = signal("");
    const words = `Delete ${plural(rows.length, "row")}`;
    const run = (/** @type {() => void} */ close) => async () => {
      try {
        await mutation("_system/data:save", { ...given, reason: reason.peek() });
      } catch (error) {
        return failed(error, "Nothing was deleted");
      }
      close();
      for (const row of rows) this.#pending.discard(idOf(row.key));
      this.#list.clear();
      if (rows.some((row) => this.#key.peek() && idOf(row.key) === idOf(/** @type {string[]} */ (this.#key.peek())))) this.close();
      toast({ text: `${plural(rows.length, "row")} of ${table.name} deleted`, state: "success" });
      await this.#refresh();
    };
    openSheet((/** @type {() => void} */ close) => html`<div class="outcome">
      ${outcomesView(table, found.changes)}
      ${found.isPossible ? html`
        <label class="reason"><span>Reason <span class="dim">kept in the audit log</span></span><input class="field" maxlength="500" @input=${(/** @type {any} */ event) => (reason.value = event.target.value)}></label>
        <div class="row"><button type="button" class="btn danger" @click=${run(close)}>${icon("trash")}${words}</button><button type="button" class="btn quiet" @click=${close}>Leave ${rows.length === 1 ? "it" : "them"}</button></div>
        <p class="hint">One transaction. It cannot be undone.</p>` : html`<div class="row"><button type="button" class="btn" @click=${close}>Back</button></div>`}</div>`,
    { title: found.isPossible ? words : `${plural(rows.length, "row")} cannot be deleted` });
  }

  commands() {
    return this.#isEditable() ? [{ label: `Add a row to ${this.#name.value}`, run: () => void this.begin(), icon: "plus", key: "n" }] : [];
  }

  view() {
    const hasPanel = this.#key.value !== null || this.#isNew.value;
    const name = this.#name.value;
    return html`
      <div class=${`data ${hasPanel ? "with-side" : ""} ${name ? "" : "no-table"}`}>
        ${this.#tree()}
        <div class="page data-page">${name ? this.#main() : this.#none()}</div>
        ${hasPanel ? this.#panel() : nothing}
      </div>`;
  }

  #tree() {
    const all = /** @type {Listed[] | undefined} */ (this.#tables.value);
    const part = (/** @type {Listed[]} */ tables) => html`<ul>${keyed(tables, ({ name }) => name, (each) => this.#treeLine(each))}</ul>`;
    const own = all?.filter(({ isFramework }) => !isFramework) ?? [];
    const framework = all?.filter(({ isFramework }) => isFramework) ?? [];
    return html`
      <nav class="tree" aria-label="Tables">
        ${all === undefined ? (this.#tables.error ? problem(this.#tables.error) : waitingLines()) : html`
          ${this.#name.value ? nothing : html`<h1>Tables</h1>`}<h2 class="colh">The app’s</h2>${own.length > 0 ? part(own) : html`<p class="hint">The app has no tables yet.</p>`}
          <h2 class="colh" title="Read-only">The framework’s<span class="n">${icon("lock")}<span class="vh">read-only</span></span></h2>${part(framework)}`}
      </nav>`;
  }

  /** @param {Listed} listed */
  #treeLine({ name, kind, count }) {
    const isOpen = name === this.#name.value;
    return html`<li><a href=${link(`/data/${part(name)}`)} aria-current=${isOpen ? "page" : nothing} title=${kind === "table" ? name : `${name}, a ${kind}`}><span class="cut">${name}</span><span class="n">${count ? shortCount(count) : kind === "view" ? "view" : ""}</span></a></li>`;
  }

  #none() {
    if (this.#tables.value === undefined) return nothing;
    if (this.#tables.value.some((/** @type {Listed} */ { isFramework }) => !isFramework)) return nothing;
    return empty({
      title: "The app has no tables yet",
      text: "Tables of the app’s models are shown here: their rows, their schema, and what refers to what.",
      code: "class Order(Base):\n    __tablename__ = \"orders\"\n    id: Mapped[int] = mapped_column(primary_key=True)\n    item: Mapped[str]",
      marked: "__tablename__",
    });
  }

  #main() {
    const table = this.#shownTable();
    const listed = this.#tables.value?.find((/** @type {Listed} */ { name }) => name === this.#name.value);
    const count = listed?.count ? longCount(listed.count) : "";
    const view = (/** @type {string} */ word, /** @type {string | null} */ value, /** @type {boolean} */ isCurrent) =>
      html`<button type="button" aria-pressed=${isCurrent ? "true" : "false"} @click=${() => setParams({ view: value, row: null, new: null }, { replace: false })}>${word}</button>`;
    const note = table?.readOnly ? html`<span class="chip" title=${table.readOnly}>${icon("lock")}read-only</span>` : nothing;
    return html`
      <div class="head"><h1 class="mono cut" title=${this.#name.value}>${this.#name.value}</h1><span class="dim hide-narrow nowrap">${count}</span>${note}
        <div class="acts"><span class="seg" role="group" aria-label="View">${view("Rows", null, !this.#isSchema.value)}${view("Schema", "schema", this.#isSchema.value)}</span>
          ${this.#isEditable() ? html`<button type="button" class="btn" @click=${() => this.begin()}>${icon("plus")}<span class="hide-narrow">Add a row</span><span class="only-narrow">Row</span></button>` : nothing}</div></div>
      ${table ? (this.#isSchema.value ? schemaView(table) : this.#grid(table)) : this.#table.error ? problem(this.#table.error) : waitingLines(12)}`;
  }

  /** @param {Table} table */
  #grid(table) {
    const rows = this.#shownRows();
    const { error } = this.#rows;
    const bar = this.#bar.value;
    const width = table.columns.reduce((sum, column, at) => sum + widthOf(column, (rows?.rows ?? []).map(({ cells }) => cells[at])), 50);
    let body = /** @type {unknown} */ (waitingLines(12));
    if (error) body = problem(error, { what: "These rows cannot be shown" });
    else if (rows && rows.rows.length === 0) body = this.#nothing(table);
    else if (rows) body = html`<div class="grid-box"><div class="grid-wide" style=${{ "--wide": `${width}px` }}>${this.#list.view()}</div></div>${this.#pager(rows)}`;
    return html`${bar ? bar() : nothing}${body}${this.#bulkBar()}`;
  }

  /** @param {Table} table */
  #nothing(table) {
    const filters = readFilters(address.value.params.get("filter"));
    if (filters.length === 0 && this.#before.value.length === 0)
      return empty({ title: `${table.name} has no rows`, text: table.readOnly ? "Rows appear here as they are written." : "Rows appear here as functions write them, or add one by hand." });
    const last = filters[filters.length - 1];
    const without = () => setParams({ filter: writeFilters(filters.slice(0, -1)) }, { replace: false });
    const button = last ? html`<button type="button" class="btn" @click=${without}>${icon("x")}Without ${last.column} ${last.operator} ${last.value ?? ""}</button>` : html`<button type="button" class="btn" @click=${() => this.back()}>Back</button>`;
    return empty({ title: "No row fits", text: filters.length > 1 ? "Together these filters leave nothing." : "This filter leaves nothing.", button });
  }

  /** @param {Rows} rows */
  #pager(rows) {
    const hasBefore = this.#before.value.length > 0;
    const isTurned = this.#order().descending;
    const words = rows.note ?? (rows.order.length > 0 ? html`<span>Pages by <code>${rows.order.join(", ")}</code>: no offset, no count</span>` : "");
    return html`<div class="pager">
      <button type="button" class="btn" ?disabled=${!hasBefore} title=${hasBefore ? "" : "This is the first page"} @click=${() => this.back()}>${icon("left")}${isTurned ? "Newer" : "Before"}</button>
      <button type="button" class="btn" ?disabled=${!rows.cursor} title=${rows.cursor ? "" : "This is the last page"} @click=${() => this.forward()}>${isTurned ? "Older" : "Go on"}${icon("right")}</button>
      <span class=${rows.note ? "warn" : "hide-narrow"}>${words}</span></div>`;
  }

  #bulkBar() {
    const chosen = this.#list.selected.value.size;
    if (chosen === 0 || !this.#isEditable()) return nothing;
    return html`<div class="float-row"><div class="bulk" role="toolbar" aria-label="Selected rows"><strong>${plural(chosen, "row")}</strong>
      <button type="button" class="btn quiet danger" @click=${() => this.#remove(this.#list.selectedItems())}>${icon("trash")}Delete ${plural(chosen, "row")}…</button>
      <span class="rule"></span><button type="button" class="btn quiet" @click=${() => this.#list.clear()}>Clear <kbd>Esc</kbd></button></div></div>`;
  }

  #panel() {
    const table = this.#shownTable();
    if (!table) return html`<aside class="side data-side" aria-label="Row">${waitingLines(4)}</aside>`;
    const actions = { close: () => void this.close(), save: () => void this.save(), check: () => void this.#check(), remove: (/** @type {Row} */ row) => void this.#remove([row]) };
    if (this.#isNew.value) return newRowPanel(table, this.#pending, actions);
    const found = this.#freshRow.value ? { value: this.#freshRow.value, error: undefined, isLoading: false } : this.#row;
    return rowPanel(table, found, /** @type {string[]} */ (this.#key.value), this.#pending, actions);
  }
}

/** @param {() => void} run */
const effectOfPage = (run) => onPageClose(effect(run));

/** @param {string | null} text @returns {string[] | null} */
function keyIn(text) {
  try {
    const key = text ? JSON.parse(text) : null;
    return Array.isArray(key) && key.every((each) => typeof each === "string") ? key : null;
  } catch {
    return null;
  }
}
