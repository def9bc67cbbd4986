import { marked } from "/dashboard/static/ui/conflict_parts.js";
import { footprint, forNothing, isWhole, keyOf, wokenBy } from "/dashboard/static/ui/live_queries.js";
import { html, mount } from "/dashboard/static/ui/render.js";
import { place, same } from "./check.js";

const part = { table: "orders", isWhole: false, columns: ["id"], keys: 1, conditions: ["id = secret"] };
const QUERY = { process: 1, function: "orders:of_user", arguments: '{"user": "secret"}', identity: null, footprint: [part], readsEverything: false, refresh: null, runs: 4, unchanged: 1, invalidatedBy: [] };
const said = (view) => {
  const box = place();
  mount(box, () => html`<p>${view}</p>`);
  return box.textContent;
};

export default {
  "a footprint names its tables, whole ones in amber"() {
    same(said(footprint(/** @type {any} */ (QUERY))), "orders, 1 key");
    const whole = { ...QUERY, footprint: [{ ...part, isWhole: true }, { ...part, table: "items", keys: 1_200 }] };
    same(said(footprint(/** @type {any} */ (whole))), "orders, whole · items, 1,200 keys");
    same([isWhole(/** @type {any} */ (whole)), isWhole(/** @type {any} */ (QUERY))], [true, false]);
  },
  "what woke a query is a function or a reason"() {
    const view = (by) => said(wokenBy(/** @type {any} */ ({ ...QUERY, invalidatedBy: by }), (name) => `f ${name}`));
    same([view([]), view(["(time)"]), view(["orders:place", "x:y"])], ["–", "its refresh", "f orders:place and 1 more"]);
  },
  "an address of a query has none of its arguments"() {
    const other = { ...QUERY, arguments: '{"user": "other"}' };
    same([keyOf(/** @type {any} */ (QUERY)).length, keyOf(/** @type {any} */ (QUERY)) === keyOf(/** @type {any} */ (other))], [8, false]);
    same(forNothing(/** @type {any} */ (QUERY)), 0.25);
  },
  "names are strong and code is code, and nothing of it is markup"() {
    const box = place();
    mount(box, () => html`<p>${marked("a:b reads `items`, <b>not</b> c", ["a:b", ""])}</p>`);
    same([box.textContent, box.querySelectorAll("b").length, box.querySelector("code")?.textContent], ["a:b reads items, <b>not</b> c", 1, "items"]);
  },
};
