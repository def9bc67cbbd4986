// The official npm client, unchanged: HTTP and WebSocket, values, errors, a login, pages, and a server that is killed.

import assert from "node:assert/strict";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { ConvexError } from "convex/values";
import { ask, nextValue, url, userToken } from "./script.mjs";

const api = anyApi;
const everything = {
  text: "ünï\u0000 😀",
  number: 0.1,
  whole: 3,
  big: 2n ** 63n - 1n,
  raw: new Uint8Array([0, 1, 255]).buffer,
  nothing: null,
  flags: [true, false],
  nested: { a: -0, b: Infinity },
  at: "2026-01-02T03:04:05Z",
};

const over = {
  async http() {
    const http = new ConvexHttpClient(url);
    assert.equal(await http.mutation(api.counters.add, { name: "http" }), 1);
    assert.equal(await http.query(api.counters.get, { name: "http" }), 1);
    assert.equal(await http.action(api.counters.add_twice, { name: "http" }), 3);
    assert.deepEqual(await http.query(api.values.echo, { value: everything }), everything);
    assert.equal(await http.consistentQuery(api.counters.get, { name: "http" }), 3);
    const refused = await http.mutation(api.counters.refuse, { name: "http" }).catch((error) => error);
    assert.ok(refused instanceof ConvexError);
    assert.deepEqual(refused.data, { code: "CONFLICT", message: "refused", data: { name: "http" } });
    const unknown = await http.query(api.counters.unknown, {}).catch((error) => error.message);
    const hidden = await http.mutation(api.counters.hidden, {}).catch((error) => error.message);
    assert.match(unknown, /Could not find public function for 'counters:unknown'/);
    assert.match(hidden, /Could not find public function for 'counters:hidden'/);
    http.setAuth(userToken("ann"));
    assert.equal(await http.query(api.values.who, {}), "ann");
  },

  async socket(client) {
    const values = [];
    const stop = client.onUpdate(api.counters.get, { name: "socket" }, (value) => values.push(value));
    await nextValue(values, (value) => value === 0);
    assert.equal(await client.mutation(api.counters.add, { name: "socket" }), 1);
    assert.equal(values.at(-1), 1); // its own mutation shows by the time it resolves
    assert.equal(await client.action(api.counters.add_twice, { name: "socket" }), 3);
    await nextValue(values, (value) => value === 3);
    assert.deepEqual(await client.query(api.values.echo, { value: everything }), everything);
    assert.deepEqual(await client.action(api.values.echo_action, { value: everything }), everything);
    const refused = await client.mutation(api.counters.refuse, { name: "socket" }).catch((error) => error);
    assert.deepEqual(refused.data, { code: "CONFLICT", message: "refused", data: { name: "socket" } });
    const crashed = await client.mutation(api.counters.crash, { name: "socket" }).catch((error) => error);
    assert.match(crashed.message, /Server Error/);
    assert.ok(!(crashed instanceof ConvexError));
    assert.equal(await client.query(api.counters.get, { name: "socket" }), 3);
    const missing = await client.query(api.counters.get, {}).catch((error) => error.message);
    assert.match(missing, /name/);
    const hidden = await client.mutation(api.counters.hidden, {}).catch((error) => error.message);
    assert.match(hidden, /Could not find public function for 'counters:hidden'/);
    stop();
  },

  async login(client) {
    const changes = [];
    const names = [];
    client.onUpdate(api.values.who, {}, (name) => names.push(name));
    client.setAuth(async () => userToken("bob", { iat: Math.floor(Date.now() / 1000) - changes.length }), (is) => changes.push(is));
    await nextValue(names, (name) => name === "bob");
    await nextValue(changes, (is) => is === true);
    client.setAuth(async () => "not a token", (is) => changes.push(is));
    await nextValue(changes, (is) => is === false);
    await nextValue(names, (name) => name === null);
  },

  async pages(client) {
    for (const body of ["a", "b", "c"]) await client.mutation(api.messages.send, { channel: "pages", body });
    const seen = [];
    const options = { initialNumItems: 2 };
    const pages = client.onPaginatedUpdate_experimental(api.messages.page, { channel: "pages" }, options, (result) => {
      seen.push(result.results.map((message) => message.body).join(""));
    });
    await nextValue(seen, (bodies) => bodies === "cb");
    await client.mutation(api.messages.send, { channel: "pages", body: "d" });
    await nextValue(seen, (bodies) => bodies === "dcb"); // the page keeps its end and grows at its beginning
    pages.unsubscribe?.();
  },

  async restart(client) {
    const values = [];
    client.onUpdate(api.counters.get, { name: "restart" }, (value) => values.push(value));
    await nextValue(values, (value) => value === 0);
    const before = Array.from({ length: 20 }, () => client.mutation(api.counters.add, { name: "restart" }));
    await nextValue(values, (value) => value >= 3);
    await ask("kill");
    const after = Array.from({ length: 20 }, () => client.mutation(api.counters.add, { name: "restart" }));
    await ask("start");
    const results = await Promise.all([...before, ...after]);
    assert.deepEqual(results, Array.from({ length: 40 }, (_, index) => index + 1)); // each once, in order
    assert.equal(await client.query(api.counters.get, { name: "restart" }), 40);
    assert.deepEqual(values, [...values].sort((one, other) => one - other));
  },
};

const client = new ConvexClient(url);
await over.http();
await over.socket(client);
await over.login(client);
await over.pages(client);
await over.restart(client);
await client.close();
await ask("done");
process.exit(0);
