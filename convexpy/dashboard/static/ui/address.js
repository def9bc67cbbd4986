/**
 * Where the reader is: the page, what of it is open, and its filters. Every state of a page is an address.
 *
 *     address.value.page                       // "crons"
 *     address.value.parts                      // ["daily report"], decoded
 *     address.value.params.get("state")        // a URLSearchParams
 *     go("/schedules", { state: "failed" });   // null and "" leave a parameter out
 *     html`<a href=${link("/job/" + id)}>…</a>`
 */

import { computed, signal } from "./render.js";

/** The dashboard's own address, such as `https://host/prefix/dashboard/`. */
export const root = new URL("../../", import.meta.url);

/** @typedef {{ page: string, parts: string[], params: URLSearchParams }} Address */
/** @typedef {Record<string, string | number | boolean | null | undefined>} Parameters */

const shown = signal(location.href);
addEventListener("popstate", () => (shown.value = location.href));

/** Where the reader is now. */
export const address = computed(() => read(shown.value));

/** The page of an address, what follows it, and its parameters. @param {string} href @returns {Address} */
export function read(href) {
  const url = new URL(href, root);
  const [page, ...parts] = url.pathname.slice(root.pathname.length).split("/").filter(Boolean).map(decoded);
  return { page: page ?? "schedules", parts, params: url.searchParams };
}

/**
 * The address of a page, for `href`. The path begins with a slash; each part of it that is data goes through `part`.
 * @param {string} path @param {Parameters} [params] @returns {string}
 */
export function link(path, params = {}) {
  const url = new URL(path.replace(/^\/+/, "./"), root);
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "" && value !== false)
      url.searchParams.set(name, String(value));
  }
  return url.pathname + url.search;
}

/** One part of a path, whatever it contains: `/crons/${part(name)}`. @param {string} text */
export const part = (text) => encodeURIComponent(text);

/**
 * Go to a page. With `replace` the step back leads to where one came from, as for a filter while one types.
 * @param {string} path @param {Parameters} [params] @param {{ replace?: boolean }} [options]
 */
export function go(path, params = {}, { replace = false } = {}) {
  visit(link(path, params), replace);
}

/** Change parameters of this address, and keep the others.
 * @param {Parameters} params @param {{ replace?: boolean }} [options] */
export function setParams(params, { replace = true } = {}) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "" || value === false) url.searchParams.delete(name);
    else url.searchParams.set(name, String(value));
  }
  visit(url.pathname + url.search, replace);
}

/** @param {string} href @param {boolean} [replace] */
export function visit(href, replace = false) {
  const isSame = new URL(href, location.href).href === location.href;
  history[replace || isSame ? "replaceState" : "pushState"](null, "", href);
  shown.value = location.href;
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
