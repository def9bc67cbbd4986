/** The server's end of the connection: a query has the value that a check sets. */
export class Server {
  static sockets = /** @type {Server[]} */ ([]);
  static values = /** @type {Map<string, any>} */ (new Map());
  readyState = 0;
  queries = /** @type {Map<number, { name: string, args: any }>} */ (new Map());
  #version = { querySet: 0, identity: 0, ts: "AAAAAAAAAAA=" };

  constructor(/** @type {string} */ url) {
    this.url = url;
    Server.sockets.push(this);
    setTimeout(() => {
      this.readyState = 1;
      this.onopen?.({});
    });
  }

  send(/** @type {string} */ text) {
    const message = JSON.parse(text);
    if (message.type === "ModifyQuerySet") this.#onModify(message);
    if (message.type === "Mutation") this.#onMutation(message);
  }

  close() {
    this.readyState = 3;
  }

  #onModify(/** @type {any} */ { newVersion, modifications }) {
    for (const each of modifications) {
      if (each.type === "Add") this.queries.set(each.queryId, { name: each.udfPath, args: each.args[0] });
      else this.queries.delete(each.queryId);
    }
    const added = modifications.filter((/** @type {any} */ each) => each.type === "Add").map((/** @type {any} */ each) => each.queryId);
    setTimeout(() => this.push(added, newVersion));
  }

  #onMutation(/** @type {any} */ { requestId, udfPath }) {
    const error = { type: "MutationResponse", requestId, success: false, result: `no ${udfPath}`, errorData: { code: "NOT_FOUND", message: `no ${udfPath}` } };
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(error) }));
  }

  /** Send what queries have now. @param {Iterable<number>} ids */
  push(ids = this.queries.keys(), querySet = this.#version.querySet) {
    const modifications = [...ids].filter((id) => this.queries.has(id)).map((queryId) => {
      const { name, args } = /** @type {any} */ (this.queries.get(queryId));
      const value = Server.values.get(name + JSON.stringify(args)) ?? Server.values.get(name);
      if (value instanceof Error) return { type: "QueryFailed", queryId, errorMessage: value.message };
      return { type: "QueryUpdated", queryId, value: value ?? null, logLines: [], journal: null };
    });
    const endVersion = { ...this.#version, querySet };
    this.onmessage?.({ data: JSON.stringify({ type: "Transition", startVersion: this.#version, endVersion, modifications }) });
    this.#version = endVersion;
  }

  static get last() {
    return Server.sockets[Server.sockets.length - 1];
  }

  static names() {
    return [...Server.last.queries.values()].map(({ name }) => name).sort();
  }

  onopen = /** @type {any} */ (null);
  onmessage = /** @type {any} */ (null);
  onclose = /** @type {any} */ (null);
}

/** What stands around every page. */
export const OVERVIEW = "_system/app:overview";
Server.values.set(OVERVIEW, {
  name: "shop",
  mode: "dev",
  version: "1.2.3",
  actor: "dev",
  writable: true,
  retentionSeconds: 604_800,
  database: { kind: "SQLite", version: "3.50.0", bytes: 18_234_000 },
  counts: { pending: { count: 10_000, more: true }, failed: { count: 0, more: false }, errors: { count: 3, more: false }, live: 38 },
  workers: { count: 2, heardTime: Date.now() - 1_000 },
});
globalThis.WebSocket = /** @type {any} */ (Server);
