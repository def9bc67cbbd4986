// What forms make of JSON schemas. Run by test_forms.py: `node --test schema.test.mjs`, with the folder of the modules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.env.DASHBOARD}/ui/`);
const { isNullable, resolve, startOf, typeText, variantOf, variantsOf } = await import(new URL("schema.js", folder));
const { numberOf } = await import(new URL("form.js", folder));

const root = {
  type: "object",
  properties: {
    order: { $ref: "#/$defs/Order" },
    note: { anyOf: [{ type: "string", maxLength: 20 }, { type: "null" }], default: null },
    tags: { type: "array", items: { type: "string" } },
    pay: { oneOf: [{ $ref: "#/$defs/Card" }, { $ref: "#/$defs/Cash" }] },
    count: { type: "integer", minimum: 1, maximum: 20, default: 3 },
  },
  required: ["order", "tags", "pay"],
  $defs: {
    Order: { type: "object", title: "Order", properties: { id: { type: "string", minLength: 1 }, gift: { type: "boolean" } }, required: ["id", "gift"] },
    Card: { type: "object", title: "Card", properties: { kind: { const: "card" }, number: { type: "string" } }, required: ["kind", "number"] },
    Cash: { type: "object", title: "Cash", properties: { kind: { const: "cash" } }, required: ["kind"] },
  },
};
const { note, tags, pay, count, order } = root.properties;

test("a form begins with what needs no typing", () => {
  assert.deepEqual(startOf(root), { order: { gift: false }, tags: [] });
  assert.deepEqual(startOf(root, root.$defs.Cash), { kind: "cash" });
  assert.equal(startOf(root, count), undefined);
});

test("types are said in words", () => {
  const said = (schema, isRequired) => typeText(root, schema, isRequired);
  assert.equal(said(count, false), "int, ≥ 1, ≤ 20 = 3");
  assert.equal(said(root.$defs.Order.properties.id), "str, at least 1 character");
  assert.equal(said({ type: "integer", exclusiveMinimum: 0 }), "positive int");
  assert.equal(said(note, false), "str, at most 20 characters or None = null");
  assert.equal(said(tags), "list of str");
  assert.equal(said(pay), "Card or Cash");
  assert.equal(said(order), "Order");
  assert.equal(said({ type: "integer", format: "int64", minimum: -(2 ** 63), maximum: 2 ** 63 }), "int64");
  assert.equal(said({ type: "object", additionalProperties: { type: "number" } }), "dict of float");
  assert.equal(said({}), "anything");
});

test("a variant is known by its value", () => {
  const variants = variantsOf(root, pay);
  assert.equal(variantOf(root, variants, { kind: "cash" }), 1);
  assert.equal(variantOf(root, variants, { kind: "card", number: "4" }), 0);
  assert.equal(variantOf(root, variants, "neither"), -1);
  assert.ok(isNullable(root, note));
  assert.ok(!isNullable(root, pay));
  assert.equal(resolve(root, { $ref: "#/$defs/nowhere" }).type, undefined);
});

test("what is typed becomes a number once it is one, and stays text until then", () => {
  assert.equal(numberOf("12", true, false), 12);
  assert.equal(numberOf("-", true, false), "-");
  assert.equal(numberOf("1.", false, false), "1.");
  assert.equal(numberOf("1.5", false, false), 1.5);
  assert.equal(numberOf("1e3", false, false), "1e3");
  assert.equal(numberOf("1e3", false, true), 1000);
  assert.equal(numberOf("007", true, true), 7);
  assert.equal(numberOf("9007199254740993", true, false), 9007199254740993n);
  assert.equal(numberOf("  ", true, false), undefined);
  assert.equal(numberOf("five", true, true), "five");
});
