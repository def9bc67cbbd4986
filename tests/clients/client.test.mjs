// client.js by itself: the test is the server, frame by frame, and the clock is virtual.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

const { Client, ConvexError, decode, encode } = await import(process.env.CLIENT_JS);

const ZERO = "AAAAAAAAAAA=";
let sockets = [];
let client;

class Socket {
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }

  open() {
    this.readyState = 1;
    this.version = { querySet: 0, identity: 0, ts: ZERO };
    this.onopen({});
  }

  receive(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  /** A transition that the client expects: to its newest query set and identity. */
  transition(number, modifications = [], identity = this.version.identity) {
    const querySet = this.types("ModifyQuerySet").at(-1)?.newVersion ?? 0;
    const endVersion = { querySet, identity, ts: ts(number) };
    this.receive({ type: "Transition", startVersion: this.version, endVersion, modifications });
    this.version = endVersion;
  }

  break(code = 1012, reason = "") {
    this.readyState = 3;
    this.onclose({ code, reason });
  }

  types(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

const ts = (number) => Buffer.from(new BigUint64Array([BigInt(number)]).buffer).toString("base64");
const updated = (queryId, value, journal = null) => ({ type: "QueryUpdated", queryId, value, logLines: [], journal });
const succeeded = (requestId, result, number) => {
  return { type: "MutationResponse", requestId, success: true, result, ts: ts(number), logLines: [] };
};
const settled = () => new Promise(setImmediate);
const last = () => sockets.at(-1);
const token = (claims) => `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;

function connected(options = {}) {
  client = new Client("http://127.0.0.1:3210/", { webSocket: Socket, ...options });
  last().open();
  return client;
}

/** Let time pass beside a server that is there. */
function elapse(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 10_000) {
    mock.timers.tick(Math.min(left, 10_000));
    last().receive({ type: "Ping" });
  }
}

function reconnected() {
  mock.timers.tick(30_000);
  last().open();
}

beforeEach(() => {
  sockets = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 1_800_000_000_000 });
  for (const level of ["error", "warn"]) mock.method(console, level, () => {});
});

afterEach(() => {
  client?.close();
  mock.reset();
  mock.timers.reset();
});

test("values are written as the protocol has them, and read back", () => {
  const bytes = new Uint8Array([0, 1, 255]);
  const written = [
    [123n, { $integer: "ewAAAAAAAAA=" }],
    [-1n, { $integer: "//////////8=" }],
    [NaN, { $float: "AAAAAAAA+H8=" }],
    [Infinity, { $float: "AAAAAAAA8H8=" }],
    [-0, { $float: "AAAAAAAAAIA=" }],
    [bytes.buffer, { $bytes: "AAH/" }],
    [{ b: [1, null, true], a: "x" }, { a: "x", b: [1, null, true] }],
  ];
  for (const [value, json] of written) {
    assert.deepEqual(encode(value), json);
    assert.deepEqual(decode(json), value);
  }
  assert.deepEqual(encode({ a: undefined, b: bytes.subarray(1) }), { b: { $bytes: "Af8=" } });
  assert.equal(JSON.stringify(encode({ b: 1, a: 2 })), '{"a":2,"b":1}');
  assert.equal(Object.getPrototypeOf(decode(JSON.parse('{"__proto__": {"x": 1}}'))), Object.prototype);
  for (const refused of [2n ** 63n, new Date(), { $x: 1 }, undefined, () => 1, [undefined], Symbol("x")]) {
    assert.throws(() => encode(refused), TypeError);
  }
});

test("a connection opens with what the server has to know", () => {
  client = new Client("https://a.example/convex/", { webSocket: Socket });
  client.subscribe("m:list", { b: 1, a: 2 }, () => {});
  assert.deepEqual(last().sent, []);
  last().open();
  assert.equal(last().url, "wss://a.example/convex/api/sync");
  const [connect, modify, ...more] = last().sent;
  assert.match(connect.sessionId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.deepEqual(connect, {
    type: "Connect",
    sessionId: connect.sessionId,
    connectionCount: 0,
    lastCloseReason: "InitialConnect",
    maxObservedTimestamp: ZERO,
    clientTs: 1_800_000_000_000,
  });
  const add = { type: "Add", queryId: 0, udfPath: "m:list", args: [{ a: 2, b: 1 }], journal: null };
  assert.deepEqual(modify, { type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [add] });
  assert.deepEqual(more, []);
});

test("equal subscriptions are one query, and the last to leave removes it", async () => {
  const seen = [];
  connected();
  const first = client.subscribe("m:list", { a: 1 }, (value) => seen.push(["first", value]));
  last().transition(1, [updated(0, 1)]);
  const second = client.subscribe("m:list", { a: 1 }, (value) => seen.push(["second", value]));
  await settled();
  first();
  last().transition(2, [updated(0, 2)]);
  second();
  second();
  assert.deepEqual(seen, [["first", 1], ["second", 1], ["second", 2]]);
  const changes = last().types("ModifyQuerySet").flatMap((message) => message.modifications);
  assert.deepEqual(changes.map(({ type, queryId }) => [type, queryId]), [["Add", 0], ["Remove", 0]]);
});

test("a listener that another one has ended is not called", () => {
  const seen = [];
  let second = () => {};
  connected();
  client.subscribe("m:list", {}, (value) => second(seen.push(["first", value])));
  second = client.subscribe("m:list", {}, (value) => seen.push(["second", value]));
  last().transition(1, [updated(0, 1)]);
  assert.deepEqual(seen, [["first", 1]]);
});

test("a subscription that ended before it could be removed is not known to the next connection", async () => {
  let give = () => {};
  connected();
  const stop = client.subscribe("m:list", {}, () => {});
  client.setAuth(() => new Promise((resolve) => (give = resolve)));
  stop(); // while the token is fetched nothing is sent
  await settled();
  last().break();
  reconnected();
  give("token");
  await settled();
  assert.deepEqual(last().types("ModifyQuerySet"), [{ type: "ModifyQuerySet", baseVersion: 0, newVersion: 1, modifications: [] }]);
});

test("a query that fails tells its error, and the next value mends it", async () => {
  const seen = [];
  connected();
  client.subscribe("m:list", {}, (value) => seen.push(value), (error) => seen.push(error));
  const errorData = { code: "NOT_FOUND", message: "no such list", data: { $integer: "ewAAAAAAAAA=" } };
  last().transition(1, [{ type: "QueryFailed", queryId: 0, errorMessage: "[Request ID: 1] …", errorData, logLines: [] }]);
  last().transition(2, [{ type: "QueryFailed", queryId: 0, errorMessage: "[Request ID: 2] …", logLines: [] }]);
  last().transition(3, [updated(0, "fine")]);
  assert.ok(seen[0] instanceof ConvexError);
  assert.deepEqual([seen[0].message, seen[0].code, seen[0].data], ["no such list", "NOT_FOUND", 123n]);
  assert.ok(!(seen[1] instanceof ConvexError));
  assert.equal(seen[1].message, "[Request ID: 2] …");
  assert.equal(seen[2], "fine");
});

test("a query asked once asks the server, takes the first value and leaves", async () => {
  connected();
  client.subscribe("m:count", {}, () => {});
  last().transition(1, [updated(0, 2)]);
  client.setAuth(() => "token"); // the value that is there was somebody else's
  const value = client.query("m:count");
  await settled();
  last().transition(2, [updated(1, 3)], 1);
  assert.equal(await value, 3);
  await settled();
  assert.deepEqual(last().types("ModifyQuerySet").at(-1).modifications, [{ type: "Remove", queryId: 1 }]);
});

test("a mutation resolves with the transition that shows it", async () => {
  connected();
  let result;
  client.mutation("m:send", { body: "x" }).then((value) => (result = value));
  assert.deepEqual(last().types("Mutation"), [{ type: "Mutation", requestId: 0, udfPath: "m:send", args: [{ body: "x" }] }]);
  last().transition(5);
  last().receive(succeeded(0, 7, 5));
  await settled();
  assert.equal(result, undefined); // that transition came before the response
  last().transition(5);
  await settled();
  assert.equal(result, 7);
});

test("a mutation and an action that fail reject at once", async () => {
  connected();
  const mutation = client.mutation("m:send");
  const action = client.action("m:call");
  last().receive({ type: "MutationResponse", requestId: 0, success: false, result: "Server Error", ts: null, logLines: [] });
  const errorData = { code: "CONFLICT", message: "taken" };
  last().receive({ type: "ActionResponse", requestId: 1, success: false, result: "…", errorData, logLines: [] });
  await assert.rejects(mutation, { message: "Server Error", name: "Error" });
  await assert.rejects(action, { message: "taken", code: "CONFLICT", name: "ConvexError" });
  const answered = client.action("m:call");
  last().receive({ type: "ActionResponse", requestId: 2, success: true, result: { $bytes: "AAH/" }, logLines: [] });
  assert.deepEqual([...new Uint8Array(await answered)], [0, 1, 255]);
});

test("optimistic values stand on what the server sends, without flicker", async () => {
  const seen = [];
  connected();
  client.subscribe("m:count", {}, (value) => seen.push(value));
  last().transition(1, [updated(0, 1)]);
  const increase = (store) => store.set("m:count", {}, store.get("m:count") + 1);
  client.mutation("m:add", {}, { optimistic: increase });
  client.mutation("m:add", {}, { optimistic: increase });
  assert.deepEqual(seen, [1, 2, 3]);
  last().receive(succeeded(0, null, 2));
  last().transition(2, [updated(0, 2)]); // with the first of the two
  last().receive(succeeded(1, null, 3));
  last().transition(3, [updated(0, 3)]);
  assert.deepEqual([...new Set(seen)], [1, 2, 3]);
  assert.deepEqual(seen, [...seen].sort());
});

test("an optimistic value goes with the error of its mutation", async () => {
  const seen = [];
  connected();
  client.subscribe("m:list", { n: 1 }, (value) => seen.push(value));
  last().transition(1, [updated(0, ["a"])]);
  const update = (store) => {
    for (const { args, value } of store.all("m:list")) store.set("m:list", args, [...value, "b"]);
    store.set("m:unknown", {}, 1);
    throw new Error("planted");
  };
  const failed = client.mutation("m:send", {}, { optimistic: update });
  last().receive({ type: "MutationResponse", requestId: 0, success: false, result: "no", ts: null, logLines: [] });
  await assert.rejects(failed);
  assert.deepEqual(seen, [["a"], ["a", "b"], ["a"]]);
});

test("unfinished mutations are sent again, under the same session and numbers", async () => {
  connected();
  const results = [client.mutation("m:a"), client.mutation("m:b"), client.mutation("m:c")];
  let isDone = false;
  results[1].then(() => (isDone = true));
  last().receive(succeeded(0, "a", 1));
  last().transition(1);
  last().receive(succeeded(1, "b", 2)); // and the connection breaks before the transition
  const { sessionId } = last().sent[0];
  last().break(1012);
  reconnected();
  const [connect] = last().sent;
  assert.deepEqual([connect.sessionId, connect.connectionCount], [sessionId, 1]);
  assert.deepEqual([connect.lastCloseReason, connect.maxObservedTimestamp], ["closed with code 1012", ts(1)]);
  assert.deepEqual(last().sent.map((message) => message.requestId ?? message.type), ["Connect", "ModifyQuerySet", 1, 2]);
  last().transition(2);
  await settled();
  assert.equal(isDone, false); // until the server says so on this connection
  last().receive(succeeded(1, "b", 2));
  last().receive(succeeded(2, "c", 3));
  last().transition(3);
  assert.deepEqual(await Promise.all(results), ["a", "b", "c"]);
});

test("an action in flight is lost with its connection, one that was not sent is not", async () => {
  connected();
  const lost = client.action("m:call");
  last().break();
  const kept = client.action("m:call");
  await assert.rejects(lost, /lost while the action ran/);
  mock.timers.tick(30_000);
  last().break(); // before it was open
  reconnected();
  assert.deepEqual(last().types("Action").map((message) => message.requestId), [1]);
  last().receive({ type: "ActionResponse", requestId: 1, success: true, result: "done", logLines: [] });
  assert.equal(await kept, "done");
});

test("after a reconnect the queries and their journals are sent, and equal values are not told twice", () => {
  const seen = [];
  connected();
  client.subscribe("m:page", {}, (value) => seen.push(value));
  client.subscribe("m:gone", {}, () => {})();
  last().transition(1, [updated(0, [1, { $integer: "ewAAAAAAAAA=" }], "end")]);
  last().break();
  reconnected();
  const { modifications } = last().types("ModifyQuerySet")[0];
  assert.deepEqual(modifications, [{ type: "Add", queryId: 0, udfPath: "m:page", args: [{}], journal: "end" }]);
  last().transition(1, [updated(0, [1, { $integer: "ewAAAAAAAAA=" }], "end")]);
  last().transition(2, [updated(0, [2], "end")]);
  assert.deepEqual(seen, [[1, 123n], [2]]);
});

test("a gap in the transitions is not papered over: the client connects again", async () => {
  const states = [];
  connected({ onConnection: (state) => states.push(state) });
  last().transition(1);
  last().version = { ...last().version, ts: ts(7) };
  last().transition(8);
  assert.equal(last().readyState, 3);
  reconnected();
  assert.equal(last().sent[0].lastCloseReason, "ProtocolFailure");
  last().transition(8);
  await null; // states are told after what caused them
  assert.deepEqual(states, ["connecting", "connected", "connecting", "connected"]);
});

test("pauses between attempts grow, and a silent server is left", () => {
  connected();
  const pauses = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    const before = Date.now();
    const count = sockets.length;
    last().break();
    while (sockets.length === count) mock.timers.tick(50);
    pauses.push(Date.now() - before);
  }
  assert.ok(pauses[0] <= 800 && pauses[3] >= 2_000 && Math.max(...pauses) <= 22_600, `${pauses}`);
  last().open();
  last().transition(1);
  const count = sockets.length;
  elapse(120_000);
  assert.equal(sockets.length, count);
  mock.timers.tick(52_000);
  mock.timers.tick(1_000);
  assert.equal(sockets.length, count + 1);
});

test("a token comes before what is asked as its user, and is refreshed before it expires", async () => {
  const asked = [];
  const changes = [];
  const tokens = [token({ exp: 1_800_000_100 }), token({ exp: 1_800_000_200 })];
  client = new Client("http://a", { webSocket: Socket });
  client.setAuth(async (options) => asked.push(options) && tokens[asked.length - 1], (isIn) => changes.push(isIn));
  client.mutation("m:send").catch(() => {});
  last().open();
  assert.deepEqual(last().sent, []);
  await settled();
  assert.deepEqual(last().sent.map(({ type }) => type), ["Connect", "Authenticate", "ModifyQuerySet", "Mutation"]);
  const [authenticate] = last().types("Authenticate");
  assert.deepEqual(authenticate, { type: "Authenticate", baseVersion: 0, tokenType: "User", value: tokens[0] });
  last().transition(1, [], 1);
  assert.deepEqual(changes, [true]);
  elapse(89_000);
  await settled();
  assert.equal(asked.length, 1);
  elapse(1_000);
  await settled();
  assert.deepEqual(asked, [{ forceRefresh: false }, { forceRefresh: true }]);
  assert.deepEqual(last().types("Authenticate").at(-1), { ...authenticate, baseVersion: 1, value: tokens[1] });
  last().transition(1, [], 2);
  client.setAuth(null);
  assert.deepEqual(last().types("Authenticate").at(-1), { type: "Authenticate", baseVersion: 2, tokenType: "None" });
});

test("a refused token is replaced by a fresh one, and after three the client goes on as nobody", async () => {
  const asked = [];
  const changes = [];
  connected();
  client.setAuth((options) => asked.push(options) && `token ${asked.length}`, (isIn) => changes.push(isIn));
  for (let round = 1; round <= 3; round++) {
    await settled();
    if (round > 1) reconnected();
    assert.equal(last().types("Authenticate").at(-1).value, `token ${round}`);
    const error = { type: "AuthError", error: "bad", baseVersion: 0, authUpdateAttempted: true };
    last().receive(error);
    last().receive(error);
  }
  await settled();
  reconnected();
  assert.deepEqual(last().types("Authenticate"), []);
  assert.deepEqual(changes, [false]);
  assert.deepEqual(asked.map(({ forceRefresh }) => forceRefresh), [false, true, true, true]);
});

test("a function that cannot fetch a token is asked again, and nothing is sent as nobody meanwhile", async () => {
  let fails = 1;
  connected();
  client.setAuth(() => {
    if (fails-- > 0) throw new Error("no network");
    return "token";
  });
  client.mutation("m:send").catch(() => {});
  await settled();
  assert.deepEqual(last().types("Mutation"), []);
  mock.timers.tick(10_000);
  await settled();
  assert.deepEqual(last().sent.slice(2).map(({ type }) => type), ["Authenticate", "Mutation"]);
});

test("of two tokens that are fetched at once the newer one counts", async () => {
  const given = [];
  const first = token({ exp: 1_800_000_100 });
  connected();
  client.setAuth(({ forceRefresh }) => (forceRefresh ? new Promise((resolve) => given.push(resolve)) : first));
  await settled();
  last().transition(1, [], 1);
  elapse(90_000); // the token is refreshed, which takes long, and expires
  last().receive({ type: "AuthError", error: "expired", baseVersion: 1, authUpdateAttempted: false });
  await settled();
  given[0]("older");
  await settled();
  reconnected();
  assert.deepEqual(last().sent, []);
  given[1]("newer");
  await settled();
  assert.deepEqual(last().types("Authenticate").map(({ value }) => value), ["newer"]);
});

test("an error about an older token is none of the newer one", async () => {
  connected();
  client.setAuth(() => "old");
  await settled();
  client.setAuth(() => "new");
  await settled();
  last().receive({ type: "AuthError", error: "bad", baseVersion: 0, authUpdateAttempted: true });
  assert.equal(sockets.length, 1);
  assert.equal(last().readyState, 1);
});

test("a closed client says so, and what is unfinished rejects", async () => {
  const states = [];
  let values = 0;
  connected({ onConnection: (state) => states.push(state) });
  client.subscribe("m:list", {}, () => {
    values++;
    client.close();
  });
  client.subscribe("m:count", {}, () => values++);
  const pending = client.mutation("m:send");
  last().transition(1, [updated(0, 1), updated(1, 1)]);
  await assert.rejects(pending, /the client is closed/);
  await assert.rejects(client.mutation("m:send"), /closed/);
  await assert.rejects(client.query("m:list"), /closed/);
  assert.throws(() => client.subscribe("m:list", {}, () => {}), /closed/);
  assert.deepEqual([states, values], [["connecting", "connected", "closed"], 1]);
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 1);
});

test("a fatal error ends the client, and no other connection is tried", async () => {
  connected();
  const pending = client.mutation("m:send");
  last().receive({ type: "FatalError", error: "Base version 5" });
  await assert.rejects(pending, /Base version 5/);
  mock.timers.tick(60_000);
  assert.equal(sockets.length, 1);
});
