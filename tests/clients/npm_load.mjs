// The official npm client under load: 200 mutations at once, values of 1 MB, tokens that rotate, servers that come and go.

import assert from "node:assert/strict";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";
import { ask, nextValue, url, userToken } from "./script.mjs";

const clients = Array.from({ length: 10 }, () => new ConvexClient(url, { verbose: false }));
const seen = clients.map(() => []);
clients.forEach((client, index) => client.onUpdate(api.counters.get, { name: "load" }, (value) => seen[index].push(value)));

const add = (client) => client.mutation(api.counters.add, { name: "load" });
const results = await Promise.all(clients.flatMap((client) => Array.from({ length: 20 }, () => add(client))));
assert.deepEqual(results.sort((one, other) => one - other), Array.from({ length: 200 }, (_, index) => index + 1));
for (const values of seen) await nextValue(values, (value) => value === 200);

const megabyte = "x".repeat(2 ** 20);
const [client, other] = clients;
const lists = [];
other.onUpdate(api.messages.list, { channel: "large" }, (messages) => lists.push(messages));
await client.mutation(api.messages.send, { channel: "large", body: megabyte });
await nextValue(lists, (messages) => messages.length === 1 && messages[0].body === megabyte);
assert.equal((await client.query(api.values.large, { letters: 6_000_000 })).length, 6_000_000); // which comes in pieces
assert.equal((await new ConvexHttpClient(url).query(api.values.large, { letters: 6_000_000 })).length, 6_000_000);

// Each token lives for 11 seconds, and is replaced after one. What the user sees stays the same.
let tokens = 0;
const names = [];
client.onUpdate(api.values.who, {}, (name) => names.push(name));
const fetchToken = async () => userToken("erin", { exp: Math.floor(Date.now() / 1000) + 11, number: tokens++ });
client.setAuth(fetchToken);
await nextValue(names, (name) => name === "erin");
while (tokens < 5) {
  assert.equal(await client.query(api.values.who, {}), "erin");
  await new Promise((resolve) => setTimeout(resolve, 20));
}
assert.equal(names.at(-1), "erin");

for (const how of ["stop", "kill"]) {
  const started = clients.flatMap((each) => Array.from({ length: 5 }, () => add(each)));
  await ask(how);
  await ask("start");
  await Promise.all(started);
}
for (const values of seen) {
  await nextValue(values, (value) => value === 300); // each once
  assert.deepEqual(values, [...values].sort((one, another) => one - another)); // and never back
}
for (const each of clients) each.close();
await ask("done");
process.exit(0);
