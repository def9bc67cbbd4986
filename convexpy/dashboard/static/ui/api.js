/**
 * The functions of the server, over one connection.
 *
 *     const jobs = live("_system/jobs:list", { limit: 50 });              // in the page's open(): ends with the page
 *     const job = live.of(() => id.value && ["_system/jobs:get", { job_id: id.value }]);   // follows signals
 *     jobs.value          // undefined until it is there; reading it in a template or a computed makes them depend on it
 *     jobs.error, jobs.isLoading
 *     await mutation("_system/jobs:cancel", { job_id });
 */

import { Client, ConvexError } from "../../../client.js";
import { root } from "./address.js";
import { batch, calmly, computed, effect, signal } from "./render.js";
import { onClose } from "./scope.js";

export { ConvexError };

/** @typedef {[name: string, args?: Record<string, any>]} Query */

/** `connecting`, `connected` or `closed`. */
export const connection = signal("connecting");
/** Since when the server is away, in milliseconds since 1970. null: it is there. */
export const awaySince = signal(/** @type {number | null} */ (null));
/** Whether what is shown stands still. What the server sends meanwhile is shown afterwards. */
export const isPaused = signal(false);

const client = new Client(root.href, { onConnection });

/** @param {string} state */
function onConnection(state) {
  batch(() => {
    connection.value = state;
    if (state === "connected") awaySince.value = null;
    else awaySince.value ??= Date.now();
  });
  if (state !== "connected") askSession();
}

/** Whether the session is over: then the server asks for a key. */
async function askSession() {
  const answer = await fetch(new URL("session", root), { headers: { accept: "application/json" } }).catch(() => null);
  if (answer?.status === 401 || answer?.status === 403) toLogin();
}

/** Leave for the page that asks for a key, and come back here afterwards. */
export function toLogin() {
  const url = new URL("login", root);
  url.searchParams.set("next", location.pathname + location.search);
  location.assign(url);
}

/** A subscription to a query, or to whichever query a function of signals names. */
export class Live {
  #state = signal(/** @type {{ value?: any, error?: Error, isLoading: boolean }} */ ({ isLoading: true }));
  #held = /** @type {(() => void) | null} */ (null);
  #end = () => {};

  /** @param {() => Query | null | undefined | false | ""} query @param {{ always?: boolean }} [options] */
  constructor(query, { always = false } = {}) {
    const key = computed(() =>
      JSON.stringify(query() || null, (_, value) => (typeof value === "bigint" ? `${value}n` : value)),
    );
    const stops = [
      effect(() => {
        key.value;
        return this.#subscribe(query, always);
      }),
      effect(() => void (!isPaused.value && this.#held && this.#held())),
    ];
    this.dispose = () => stops.forEach((stop) => stop());
    onClose(this.dispose);
  }

  /** @param {() => Query | null | undefined | false | ""} query @param {boolean} always */
  #subscribe(query, always) {
    const [name, args = {}] = query() || [];
    this.#held = null;
    if (!name) {
      this.#state.value = { isLoading: false };
      return;
    }
    this.#state.value = { ...this.#state.peek(), error: undefined, isLoading: true };
    let isFirst = true;
    /** @param {{ value?: any, error?: Error, isLoading: boolean }} state */
    const show = (state) => {
      const put = () => {
        this.#held = null;
        this.#state.value = state;
      };
      if (!always && !isFirst && isPaused.peek()) this.#held = put;
      else if (isFirst) put();
      else calmly(put);
      isFirst = false;
    };
    const onError = (/** @type {Error} */ error) => show({ value: this.#state.peek().value, error, isLoading: false });
    return client.subscribe(name, args, (value) => show({ value, isLoading: false }), onError);
  }

  /** The last value, also while that of other arguments is loaded. undefined: none has come. */
  get value() {
    return this.#state.value.value;
  }

  get error() {
    return this.#state.value.error;
  }

  /** Whether the server has not yet answered for these arguments. */
  get isLoading() {
    return this.#state.value.isLoading;
  }
}

/** @param {string} name @param {Record<string, any>} [args] @param {{ always?: boolean }} [options] */
export function live(name, args = {}, options = {}) {
  return new Live(() => [name, args], options);
}
/** @param {() => Query | null | undefined | false | ""} query @param {{ always?: boolean }} [options] */
live.of = (query, options = {}) => new Live(query, options);

/** A query's value as it is now. @param {string} name @param {Record<string, any>} [args] @returns {Promise<any>} */
export const query = (name, args = {}) => client.query(name, args);
/** Run a mutation, once. @param {string} name @param {Record<string, any>} [args] @returns {Promise<any>} */
export const mutation = (name, args = {}) => client.mutation(name, args);
/** Run an action, at most once. @param {string} name @param {Record<string, any>} [args] @returns {Promise<any>} */
export const action = (name, args = {}) => client.action(name, args);

const overview = live("_system/app:overview", {}, { always: true });
/** What the shell knows of the app: `_system/app:overview`. undefined until it has come. */
export const session = {
  get value() {
    return overview.value;
  },
  get error() {
    return overview.error;
  },
};
/** Whether what changes something may be shown: not with a read-only key. */
export const isWritable = () => session.value?.writable === true;

/**
 * A client whose calls are those of a user, or of nobody: as the form of a function chooses. Its caller closes it.
 * @param {Record<string, any> | null} attributes of the identity, such as `{ subject: "ada" }` @returns {Client}
 */
export function clientAs(attributes) {
  const acting = new Client(root.href);
  if (attributes) {
    const bytes = new TextEncoder().encode(JSON.stringify(attributes));
    const token = btoa(String.fromCharCode(...bytes));
    acting.setAuth(async () => token);
  }
  return acting;
}
