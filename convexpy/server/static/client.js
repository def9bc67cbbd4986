/**
 * A client for pages: live queries, mutations and actions of a convexpy server. One module, nothing to install.
 *
 *     import { Client } from "/client.js";
 *     const client = new Client();
 *     client.subscribe("messages:list", { channel: "a" }, (messages) => show(messages));
 *     await client.mutation("messages:send", { channel: "a", body: "hello" });
 *
 * It speaks the sync protocol over one WebSocket, connects again by itself, and sends again what was not answered; the
 * server runs each mutation once. Python's int and float are numbers here, Int64 is a bigint, bytes an ArrayBuffer.
 * @import { Arguments, ClientOptions, FetchToken, MutationOptions } from "./client.js"
 */

const LONGEST_SILENCE = 45_000; // milliseconds, as all durations here; the server sends something every 15 seconds
const REFUSED_TOKENS = 3;
const BEGINNING = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };
const NOBODY = { fetchToken: null, onChange() {}, token: null, isWaiting: false, fetches: 0, refusals: 0 };

/** The function raised a ConvexError: its code, message and data are meant for the client. */
export class ConvexError extends Error {
  constructor(/** @type {string} */ message, /** @type {any} */ errorData) {
    super(typeof errorData?.message === "string" ? errorData.message : message);
    Object.assign(this, { name: "ConvexError", code: errorData?.code, data: errorData?.data });
  }
}

export class Client {
  // A query: {message, listeners, text, outcome, shown}. `outcome` is {value} or {error} as the server sent it
  // last, `shown` that with optimistic updates on top. A listener: {onValue, onError, seen}.
  #queries = new Map(); // by name and arguments
  #removals = /** @type {object[]} */ ([]); // of queries that the server still has, and no listener
  // A request: {type, message, update, resolve, reject, result}. A result waits for the transition that shows it.
  #requests = new Map(); // those not finished, in the order of their calls
  #next = { query: 0, request: 0 };
  #socket = /** @type {WebSocket | undefined} */ (undefined);
  #session = newSession();
  #connections = 0;
  #closeReason = "InitialConnect";
  #observed = BEGINNING.ts; // the highest of all connections
  #version = BEGINNING; // where the last transition led
  #sent = { querySet: 0, identity: 0, token: null, calls: new Set() }; // on this connection
  #auth = /** @type {any} */ ({ ...NOBODY });
  #state = "";
  #failures = 0; // since the last transition
  #heard = 0; // when
  #timers = /** @type {Record<string, any>} */ ({});
  #onOnline = () => this.#socket || this.#connect();

  /** @param {string} [url] @param {ClientOptions} [options] */
  constructor(url = new URL(".", import.meta.url).href, options = {}) {
    this.address = new URL(url, globalThis.location?.href).href.replace(/^http/, "ws").replace(/\/*$/, "/api/sync");
    this.options = options;
    this.#timers.silence = setInterval(() => {
      if (this.#socket && Date.now() - this.#heard > LONGEST_SILENCE) this.#lose("InactiveServer");
    }, 5_000);
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#connect();
  }

  /**
   * Call `onValue` with the query's value, now and after each commit that changes it; or `onError` with its error.
   * @param {string} name @param {Arguments} args @param {(value: any) => void} onValue
   * @param {(error: Error) => void} [onError] @returns {() => void} what ends the subscription
   */
  subscribe(name, args, onValue, onError = (error) => console.error(`${name}:`, error), isShared = true) {
    if (this.#state === "closed") throw new Error("the client is closed");
    const encoded = encode(args);
    const key = keyOf(name, encoded) + (isShared ? "" : this.#next.query);
    if (!this.#queries.has(key)) {
      const message = { type: "Add", queryId: this.#next.query++, udfPath: name, args: [encoded], journal: null };
      this.#queries.set(key, { message, listeners: new Set() });
    }
    const query = this.#queries.get(key);
    const listener = { onValue, onError };
    query.listeners.add(listener);
    queueMicrotask(() => deliver(query));
    this.#flush();
    return () => {
      if (!query.listeners.delete(listener) || query.listeners.size > 0) return;
      this.#queries.delete(key);
      if (this.#sent.calls.has(query)) this.#removals.push({ type: "Remove", queryId: query.message.queryId });
      this.#flush();
    };
  }

  /** The query's value as it is now. @param {string} name @param {Arguments} [args] @returns {Promise<any>} */
  query(name, args = {}) {
    let unsubscribe = () => {};
    const first = new Promise((resolve, reject) => (unsubscribe = this.subscribe(name, args, resolve, reject, false)));
    return first.finally(unsubscribe);
  }

  /**
   * Run a mutation once, however often the connection breaks. By the time its promise resolves, subscriptions show it.
   * @param {string} name @param {Arguments} [args] @param {MutationOptions} [options] @returns {Promise<any>}
   */
  async mutation(name, args = {}, options = {}) {
    return this.#request("Mutation", name, args, options.optimistic);
  }

  /** Run an action at most once. @param {string} name @param {Arguments} [args] @returns {Promise<any>} */
  async action(name, args = {}) {
    return this.#request("Action", name, args, undefined);
  }

  /**
   * Call as the user of the token that the function gives, now and whenever a newer one is needed. null: as nobody.
   * @param {FetchToken | null} fetchToken @param {(isAuthenticated: boolean) => void} [onChange]
   */
  setAuth(fetchToken, onChange = () => {}) {
    clearTimeout(this.#timers.token);
    this.#auth = { ...NOBODY, fetchToken, onChange, isWaiting: fetchToken !== null };
    if (fetchToken) this.#fetchToken(false);
    else this.#flush();
  }

  /** End all subscriptions; what is not finished rejects. */
  close(reason = "the client is closed") {
    this.#report("closed");
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const query of this.#queries.values()) query.listeners.clear();
    this.#queries.clear();
    this.#auth = { ...NOBODY };
    this.#lose("closed");
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    globalThis.removeEventListener?.("online", this.#onOnline);
    for (const request of requests) request.reject(new Error(reason));
  }

  #request(type, name, args, update) {
    if (this.#state === "closed") throw new Error("the client is closed");
    const message = { requestId: this.#next.request++, udfPath: name, args: [encode(args)] };
    return new Promise((resolve, reject) => {
      this.#requests.set(message.requestId, { type, message, update, resolve, reject });
      if (update) this.#show();
      this.#flush();
    });
  }

  /** Show what the server sent, with the updates of unfinished mutations on top in the order of their calls. */
  #show() {
    const store = newStore(this.#queries);
    for (const { update } of this.#requests.values()) if (update) attempt(update, store);
    for (const query of [...this.#queries.values()]) {
      query.shown = store.changed.get(query) ?? query.outcome;
      deliver(query);
    }
  }

  #connect() {
    clearTimeout(this.#timers.connect);
    const socket = new (this.options.webSocket ?? WebSocket)(this.address);
    const ifCurrent = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ifCurrent(() => this.#flush());
    socket.onmessage = ifCurrent(({ data }) => this.#receive(data));
    socket.onclose = ifCurrent(({ code, reason }) => this.#lose(reason || `closed with code ${code}`));
    socket.onerror = () => {}; // a close follows
    this.#socket = socket;
    this.#heard = Date.now();
    this.#report("connecting");
  }

  /** Send what the server lacks: the token, changes of the query set, and requests in the order of their calls. */
  #flush() {
    const socket = this.#socket;
    if (socket?.readyState !== 1 || this.#auth.isWaiting) return;
    const send = (type, content) => socket.send(JSON.stringify({ type, ...content }));
    if (this.#sent.querySet === 0) {
      const known = { lastCloseReason: this.#closeReason, maxObservedTimestamp: this.#observed, clientTs: Date.now() };
      send("Connect", { sessionId: this.#session, connectionCount: this.#connections++, ...known });
    }
    const { token } = this.#auth;
    if (token !== this.#sent.token) {
      const user = token === null ? { tokenType: "None" } : { tokenType: "User", value: token };
      send("Authenticate", { baseVersion: this.#sent.identity++, ...user });
      this.#sent.token = token;
    }
    const isUnsent = (call) => !this.#sent.calls.has(call) && this.#sent.calls.add(call);
    const added = [...this.#queries.values()].filter(isUnsent).map((query) => query.message);
    const modifications = [...this.#removals, ...added];
    if (modifications.length > 0 || this.#sent.querySet === 0) {
      const baseVersion = this.#sent.querySet++;
      send("ModifyQuerySet", { baseVersion, newVersion: baseVersion + 1, modifications });
      this.#removals = [];
    }
    for (const { type, message } of [...this.#requests.values()].filter(isUnsent)) send(type, message);
  }

  /** The connection is gone. Values stay; mutations, and actions that were not sent, wait for the next one. */
  #lose(reason, pause = pauseAfter(this.#failures++)) {
    this.#socket?.close();
    this.#socket = undefined;
    this.#closeReason = reason;
    for (const [id, request] of this.#requests) {
      const isLost = request.type === "Action" && this.#sent.calls.has(request) && this.#requests.delete(id);
      if (isLost) request.reject(new Error("the connection was lost while the action ran"));
      request.result = undefined;
    }
    this.#version = BEGINNING;
    this.#sent = { querySet: 0, identity: 0, token: null, calls: new Set() };
    this.#removals = [];
    this.#timers.connect = setTimeout(() => this.#connect(), pause);
    this.#report("connecting");
  }

  #report(state) {
    if (state === this.#state || this.#state === "closed") return;
    this.#state = state;
    queueMicrotask(() => this.options.onConnection && attempt(this.options.onConnection, state)); // after `new Client`
  }

  #receive(text) {
    this.#heard = Date.now();
    try {
      const message = JSON.parse(text);
      if (message.type === "Transition") this.#onTransition(message);
      if (message.type === "MutationResponse" || message.type === "ActionResponse") this.#onResponse(message);
      if (message.type === "AuthError") this.#onAuthError(message);
      if (message.type === "FatalError") {
        console.error("the server ended the connection:", message.error);
        this.close(message.error);
      }
    } catch (error) {
      console.error("the server sent what cannot be read:", error);
      this.#lose("ProtocolFailure");
    }
  }

  #onTransition({ startVersion, endVersion, modifications }) {
    const isNext = ["querySet", "identity", "ts"].every((part) => startVersion[part] === this.#version[part]);
    if (!isNext) throw new Error("a transition is missing");
    this.#version = endVersion;
    const position = readTs(endVersion.ts);
    if (position > readTs(this.#observed)) this.#observed = endVersion.ts;
    const queries = new Map([...this.#queries.values()].map((query) => [query.message.queryId, query]));
    for (const change of modifications) applyChange(queries.get(change.queryId), change);
    const finished = [...this.#requests].filter(([, { result }]) => result && result.ts <= position);
    for (const [id] of finished) this.#requests.delete(id);
    this.#failures = 0;
    this.#report("connected");
    this.#show();
    for (const [, request] of finished) request.resolve(request.result.value);
    const isLatest = endVersion.identity === this.#sent.identity;
    if (isLatest && endVersion.identity > startVersion.identity) this.#onTokenAccepted();
  }

  #onResponse({ requestId, success, result, ts, ...details }) {
    const request = this.#requests.get(requestId);
    if (success && request?.type === "Mutation") {
      request.result = { value: decode(result), ts: readTs(ts) };
    } else if (request) {
      this.#requests.delete(requestId);
      if (request.update) this.#show();
      if (success) request.resolve(decode(result));
      else request.reject(errorOf(result, details));
    }
  }

  async #fetchToken(forceRefresh) {
    const auth = this.#auth;
    const fetch = ++auth.fetches;
    const toError = (cause) => new Error("no token could be fetched", { cause });
    const token = await Promise.resolve({ forceRefresh }).then(auth.fetchToken).catch(toError);
    if (auth !== this.#auth || fetch !== auth.fetches) return; // another began meanwhile
    if (token instanceof Error) {
      console.error(token); // it says nothing of the user, so the token that is there stays
      this.#timers.token = setTimeout(() => this.#fetchToken(forceRefresh), pauseAfter(3));
      return;
    }
    const isHopeless = auth.refusals > 0 && (token === auth.token || auth.refusals >= REFUSED_TOKENS);
    Object.assign(auth, { token: isHopeless ? null : (token ?? null), isWaiting: false });
    if (auth.token === null) attempt(auth.onChange, false);
    this.#flush();
  }

  #onTokenAccepted() {
    const { token, onChange } = this.#auth;
    if (token === null || token !== this.#sent.token) return;
    this.#auth.refusals = 0;
    const left = lifeOf(token);
    const pause = Math.min(Math.max(left - 10_000, left / 2), 2 ** 31 - 1); // no timer waits longer
    clearTimeout(this.#timers.token);
    if (left > 0) this.#timers.token = setTimeout(() => this.#fetchToken(true), pause);
    attempt(onChange, true);
  }

  /** The server refused the token, or it expired. After a few that are refused, go on as nobody. */
  #onAuthError({ baseVersion, authUpdateAttempted, error }) {
    if (baseVersion + 1 < this.#sent.identity || this.#sent.token === null) return; // it is about an older token
    console.warn("the server refused the token:", error);
    if (authUpdateAttempted !== false) this.#auth.refusals++;
    this.#auth.isWaiting = true;
    this.#lose("AuthError", 0);
    clearTimeout(this.#timers.token);
    this.#fetchToken(true);
  }
}

/** What an optimistic update reads and changes. */
function newStore(queries) {
  const changed = new Map();
  const find = (name, args = {}) => queries.get(keyOf(name, encode(args)));
  const valueOf = (query) => (changed.get(query) ?? query?.outcome)?.value;
  const shown = (query) => ({ args: decode(query.message.args[0]), value: valueOf(query) });
  return {
    changed,
    get: (name, args) => valueOf(find(name, args)),
    set: (name, args, value) => void changed.set(find(name, args) ?? {}, { value }),
    all: (name) => [...queries.values()].filter(({ message }) => message.udfPath === name).map(shown),
  };
}

function applyChange(query, change) {
  if (!query || change.type === "QueryRemoved") return;
  query.message.journal = change.journal ?? null;
  const text = JSON.stringify(change.value);
  if (text !== undefined && text === query.text) return; // the same value again, after a reconnect
  query.text = text;
  query.outcome = text ? { value: decode(change.value) } : { error: errorOf(change.errorMessage, change) };
}

/** Call each listener that has not seen what the query shows. */
function deliver(query) {
  const { shown, listeners } = query;
  for (const listener of [...listeners]) {
    if (!shown || listener.seen === shown || !listeners.has(listener)) continue;
    listener.seen = shown;
    if ("error" in shown) attempt(listener.onError, shown.error);
    else attempt(listener.onValue, shown.value);
  }
}

/** Call a function of the page, whose errors must not stop the client. */
function attempt(call, value) {
  try {
    call(value);
  } catch (error) {
    console.error(error);
  }
}

/** A random UUID. Pages without https have no crypto.randomUUID. */
function newSession() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"));
  return hex.join("").replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}

/** The pause before the next attempt: twice as long each time, with jitter. */
const pauseAfter = (failures) => Math.min(500 * 2 ** failures, 15_000) * (0.5 + Math.random());
/** How long a token stays valid, by the clock of this machine. */
function lifeOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000 - Date.now();
  } catch {
    return 0; // the server will say when it has expired
  }
}

function errorOf(message, details) {
  return "errorData" in details ? new ConvexError(message, decode(details.errorData)) : new Error(message);
}

const keyOf = (name, encoded) => JSON.stringify([name, encoded]);

/** A value as JSON, keys in order. @param {any} value @returns {any} */
export function encode(value) {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (Number.isFinite(value) && !Object.is(value, -0)) return value;
  if (typeof value === "number") return { $float: toBase64(new Float64Array([value])) };
  const isInt64 = typeof value === "bigint" && BigInt.asIntN(64, value) === value;
  if (isInt64) return { $integer: toBase64(new BigInt64Array([value])) };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: toBase64(value) };
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    throw new TypeError(`${String(value)} is not a value that can be sent`);
  }
  const keys = Object.keys(value).filter((key) => value[key] !== undefined).sort();
  if (keys.some((key) => key.startsWith("$"))) throw new TypeError("keys that begin with $ are reserved");
  return Object.fromEntries(keys.map((key) => [key, encode(value[key])]));
}

/** The value that such JSON means. @param {any} json @returns {any} */
export function decode(json) {
  if (json === null || typeof json !== "object") return json;
  if (Array.isArray(json)) return json.map(decode);
  if ("$bytes" in json) return fromBase64(json.$bytes).buffer;
  if ("$integer" in json) return fromBase64(json.$integer).getBigInt64(0, true);
  if ("$float" in json) return fromBase64(json.$float).getFloat64(0, true);
  return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, decode(value)]));
}

/** The bytes of an array. Browsers keep numbers in little-endian order, as the protocol does. */
function toBase64(value) {
  const bytes = new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

const fromBase64 = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const readTs = (ts) => fromBase64(ts).getBigUint64(0, true);
