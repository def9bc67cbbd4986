/** Filters of a table: in the address as `user_id = ada & cents > 400`, as tokens, and as the server takes them. */

/** @import { Token, TokenName, Value } from "../ui/tokens.js" */
/** @import { Column } from "./data_cells.js" */
/** @typedef {{ column: string, operator: string, value: string | null }} Filter */

const OPERATORS = ["is not null", "is null", "starts with", "contains", "!=", "<=", ">=", "≠", "≤", "≥", "=", "<", ">"];
const WRITTEN = /** @type {Record<string, string>} */ ({ "!=": "≠", "<=": "≤", ">=": "≥" });
const ALONE = new Set(["is null", "is not null"]);
const FITTING = /** @type {Record<string, RegExp>} */ ({
  integer: /^[+-]?\d+$/,
  float: /^[+-]?[\d.]/,
  decimal: /^[+-]?[\d.]/,
  boolean: /^(true|false)$/,
  uuid: /^[0-9a-f-]{32,36}$/i,
  date: /^\d{4}-\d\d/,
  datetime: /^\d{4}-\d\d/,
  time: /^\d\d:/,
});
const TEXTS = new Set(["text", "json", "array", "other", "uuid", "enum"]);

/** @param {string | null} text @returns {Filter[]} */
export function readFilters(text) {
  return (text ?? "").split(" & ").flatMap((each) => {
    const [column, ...rest] = each.split(" ");
    const found = conditionOf(rest.join(" "));
    return column && found ? [{ column: decoded(column), operator: found.operator, value: found.value && decoded(found.value) }] : [];
  });
}

/** @param {readonly Filter[]} filters */
export function writeFilters(filters) {
  return filters.map(({ column, operator, value }) => [escaped(column), operator, value === null ? null : escaped(value)].filter((each) => each !== null).join(" ")).join(" & ");
}

/** @param {string} text */
const escaped = (text) => text.replace(/[%& +]/g, (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, "0")}`);
/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `≥ 5`, `is null`. @param {string} text @returns {{ operator: string, value: string | null } | null} */
function conditionOf(text) {
  const trimmed = text.trim();
  const found = OPERATORS.find((each) => trimmed.toLowerCase().startsWith(each));
  if (!found) return null;
  const operator = WRITTEN[found] ?? found;
  return { operator, value: ALONE.has(operator) ? null : trimmed.slice(found.length).trim() };
}

/** @param {Filter} filter @returns {Token} */
const tokenOf = ({ column, operator, value }) => ({ name: column, value: value === null ? operator : `${operator} ${value}` });

/** @param {readonly Filter[]} filters */
export const tokensOf = (filters) => filters.map(tokenOf);

/** @param {readonly Token[]} tokens @returns {Filter[]} */
export function filtersOf(tokens) {
  return tokens.map(({ name, value }) => ({ column: name, ...(conditionOf(value) ?? { operator: "contains", value }) }));
}

/** What may be filtered by. @param {readonly Column[]} columns @returns {TokenName[]} */
export const tokenNames = (columns) => columns.map((column) => ({
  name: column.name,
  hint: column.type,
  values: () => offered(column),
  read: (text) => read(text, column, columns),
}));

/** @param {Column} column @returns {string[]} */
function offered({ kind, choices, nullable }) {
  const values = kind === "boolean" ? ["true", "false"] : choices;
  return [...values.map((each) => `= ${each}`), ...(nullable ? ["is null", "is not null"] : [])];
}

/** A condition as it is typed: `user_id = ada`, `= ada`, or `ada`. @param {string} text @param {Column} column @param {readonly Column[]} columns @returns {Value[]} */
function read(text, column, columns) {
  const own = text.toLowerCase().startsWith(column.name.toLowerCase()) ? conditionOf(text.slice(column.name.length)) : null;
  const isAnothers = columns.some(({ name }) => name !== column.name && text.startsWith(name) && conditionOf(text.slice(name.length)));
  if (isAnothers && !own) return [];
  const said = own ?? conditionOf(text);
  const value = text.trim();
  const found = said ? [said] : [{ operator: "=", value }, ...(TEXTS.has(column.kind) ? [{ operator: "contains", value }] : [])];
  return found.filter((each) => fits(each, column)).map((each) => tokenOf({ column: column.name, ...each }));
}

/** @param {{ operator: string, value: string | null }} condition @param {Column} column */
function fits({ operator, value }, { kind, sortable, choices }) {
  if (ALONE.has(operator)) return true;
  if (value === null || value === "") return false;
  if (operator === "contains" || operator === "starts with") return true;
  return sortable && (choices.length === 0 || choices.includes(value)) && FITTING[kind]?.test(value) !== false;
}
