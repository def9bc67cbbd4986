// Our own client against a real server: values, an optimistic update, a login, and a server that is killed.

import assert from "node:assert/strict";
import WebSocket from "ws";
import { Client, ConvexError } from "./client.mjs";
import { ask, nextValue, url, userToken } from "./script.mjs";

const states = [];
const client = new Client(url, { webSocket: WebSocket, onConnection: (state) => states.push(state) });

const value = {
  text: "ünï\u0000 😀",
  number: 0.1,
  whole: 3,
  big: -(2n ** 63n),
  raw: new Uint8Array([0, 1, 255]).buffer,
  nothing: null,
  flags: [true, false],
  nested: { a: -0, b: NaN },
  at: "2026-01-02T03:04:05Z",
};
assert.deepEqual(await client.query("values:echo", { value }), value);
assert.deepEqual(await client.action("values:echo_action", { value }), value);
assert.equal((await client.query("values:large", { letters: 1_000_000 })).length, 1_000_000);

const counts = [];
client.subscribe("counters:get", { name: "own" }, (count) => counts.push(count));
await nextValue(counts, (count) => count === 0);
const optimistic = (store) => store.set("counters:get", { name: "own" }, store.get("counters:get", { name: "own" }) + 1);
const added = client.mutation("counters:add", { name: "own" }, { optimistic });
assert.deepEqual(counts, [0, 1]);
assert.equal(await added, 1);
await assert.rejects(client.mutation("counters:refuse", { name: "own" }, { optimistic }), (error) => {
  assert.ok(error instanceof ConvexError);
  assert.deepEqual([error.code, error.message, error.data], ["CONFLICT", "refused", { name: "own" }]);
  return true;
});
assert.equal(counts.at(-1), 1);
await assert.rejects(client.mutation("counters:hidden"), /Could not find public function for 'counters:hidden'/);

const changes = [];
const names = [];
client.subscribe("values:who", {}, (name) => names.push(name));
client.setAuth(() => userToken("dora"), (isIn) => changes.push(isIn));
assert.equal(await client.query("values:who"), "dora");
await nextValue(names, (name) => name === "dora");
client.setAuth(() => "not a token", (isIn) => changes.push(isIn));
await nextValue(names, (name) => name === null);
assert.deepEqual(changes, [true, false]);

const before = Array.from({ length: 20 }, () => client.mutation("counters:add", { name: "own" }, { optimistic }));
await ask("kill");
const after = Array.from({ length: 20 }, () => client.mutation("counters:add", { name: "own" }, { optimistic }));
await ask("start");
assert.deepEqual(await Promise.all([...before, ...after]), Array.from({ length: 40 }, (_, index) => index + 2));
assert.equal(counts.at(-1), 41);
assert.ok(counts.every((count, index) => index < 4 || count >= counts[index - 1] || count === 1), `${counts}`);
assert.ok(states.includes("connected") && states.at(-1) === "connected");
client.close();
await ask("done");
process.exit(0);
