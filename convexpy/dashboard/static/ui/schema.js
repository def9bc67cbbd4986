/** What a JSON schema says: what it refers to, its variants, its type in words, and a value to begin with. */

/** @typedef {Record<string, any>} Schema */

/** A schema without references and single `allOf`. @param {Schema} root @param {Schema} schema @returns {Schema} */
export function resolve(root, schema) {
  let found = schema;
  for (let steps = 0; steps < 20; steps++) {
    const { $ref, allOf, ...others } = found;
    if (typeof $ref === "string") found = { ...lookedUp(root, $ref), ...others };
    else if (Array.isArray(allOf) && allOf.length === 1) found = { ...allOf[0], ...others };
    else break;
  }
  return found;
}

/** @param {Schema} root @param {string} reference */
function lookedUp(root, reference) {
  const steps = reference.replace(/^#\//, "").split("/").map((step) => step.replace(/~1/g, "/").replace(/~0/g, "~"));
  return steps.reduce((found, step) => found?.[step], /** @type {any} */ (root)) ?? {};
}

/** @param {Schema} root @param {Schema} schema @returns {Schema[]} none if it is no union */
export function variantsOf(root, schema) {
  if (Array.isArray(schema.type)) return schema.type.map((type) => ({ ...schema, type }));
  const all = schema.anyOf ?? schema.oneOf ?? [];
  return all.flatMap((/** @type {Schema} */ each) => {
    const inner = resolve(root, each);
    return (inner.anyOf ?? inner.oneOf) ? variantsOf(root, inner) : [each];
  });
}

/** Whether it is a union with null. @param {Schema} root @param {Schema} schema */
export const isNullable = (root, schema) => {
  const variants = variantsOf(root, schema);
  return variants.length > 1 && variants.some((each) => resolve(root, each).type === "null");
};

/** Which variant a value is of. -1: none of them. @param {Schema} root @param {Schema[]} variants @param {any} value */
export function variantOf(root, variants, value) {
  const isExact = variants.findIndex((each) => fits(root, resolve(root, each), value, true));
  return isExact >= 0 ? isExact : variants.findIndex((each) => fits(root, resolve(root, each), value, false));
}

/** @param {Schema} root @param {Schema} schema @param {any} value @param {boolean} isStrict */
function fits(root, schema, value, isStrict) {
  if ("const" in schema) return schema.const === value;
  if (schema.enum) return schema.enum.includes(value);
  if (schema.type === "object" && isStrict && schema.properties && value && typeof value === "object") {
    const names = Object.keys(value);
    const isTagged = Object.entries(schema.properties).every(([name, property]) => {
      const inner = resolve(root, /** @type {Schema} */ (property));
      return !("const" in inner) || value[name] === undefined || value[name] === inner.const;
    });
    return isTagged && names.every((name) => name in schema.properties);
  }
  return typeOf(value) === schema.type || (schema.type === "number" && typeOf(value) === "integer");
}

/** @param {any} value */
function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint" || Number.isInteger(value)) return "integer";
  return typeof value;
}

/** What a field begins with: nothing for what may be left out, or must be typed. @param {Schema} root @param {Schema} [given] @returns {any} */
export function startOf(root, given = root) {
  const schema = resolve(root, given);
  if ("const" in schema) return schema.const;
  if (schema.type === "array") return (schema.prefixItems ?? []).map((/** @type {Schema} */ each) => startOf(root, each) ?? "");
  if (schema.type === "boolean") return schema.default ?? false;
  if (schema.type !== "object" || !schema.properties) return undefined;
  const start = /** @type {Record<string, any>} */ ({});
  for (const name of schema.required ?? []) {
    const value = startOf(root, schema.properties[name] ?? {});
    if (value !== undefined) start[name] = value;
  }
  return start;
}

/** @type {Record<string, string>} */
const TYPES = { string: "str", integer: "int", number: "float", boolean: "bool", null: "None", object: "object" };
/** @type {Record<string, string>} */
const FORMATS = { "date-time": "date and time, UTC", date: "date", time: "time", uuid: "UUID", binary: "bytes, base64", base64url: "bytes, base64", duration: "duration", int64: "int64" };

/** "str, at least 1 character", "positive int = 420". @param {Schema} root @param {Schema} given @param {boolean} [isRequired] */
export function typeText(root, given, isRequired = true) {
  const schema = resolve(root, given);
  const text = bareText(root, schema);
  if (isRequired) return text;
  return schema.default === undefined ? `${text}, optional` : `${text} = ${shortened(JSON.stringify(schema.default))}`;
}

/** @param {Schema} root @param {Schema} schema @returns {string} */
function bareText(root, schema) {
  const variants = variantsOf(root, schema);
  if (variants.length > 1) return [...new Set(variants.map((each) => typeText(root, each)))].join(" or ");
  if (schema.enum) return "one of these";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return schema.prefixItems ? "tuple" : `list of ${schema.items ? typeText(root, schema.items) : "anything"}`;
  if (schema.type === "object" && schema.properties) return schema.title ?? "object";
  if (schema.type === "object") return typeof schema.additionalProperties === "object" ? `dict of ${typeText(root, schema.additionalProperties)}` : "dict";
  const type = FORMATS[schema.format] ?? TYPES[schema.type] ?? "anything";
  return [schema.exclusiveMinimum === 0 ? `positive ${type}` : type, ...limits(schema)].join(", ");
}

/** @param {Schema} schema */
function limits(schema) {
  const said = [];
  const { minLength, maxLength, minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern } = schema;
  if (minLength) said.push(`at least ${minLength} ${minLength === 1 ? "character" : "characters"}`);
  if (maxLength !== undefined) said.push(`at most ${maxLength} characters`);
  const isInt64 = schema.format === "int64" || Math.abs(minimum ?? 0) > 2 ** 53;
  if (minimum !== undefined && !isInt64) said.push(`≥ ${minimum}`);
  if (exclusiveMinimum !== undefined && exclusiveMinimum !== 0) said.push(`> ${exclusiveMinimum}`);
  if (maximum !== undefined && !isInt64) said.push(`≤ ${maximum}`);
  if (exclusiveMaximum !== undefined) said.push(`< ${exclusiveMaximum}`);
  if (pattern) said.push(`like ${shortened(pattern)}`);
  return said;
}

/** @param {string} text */
const shortened = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
