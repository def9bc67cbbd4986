// What few use of the official client from npm: pages that a server renders, a token that is kept, reports of a client.

import assert from "node:assert/strict";
import { ConvexQueryClient, convexQuery } from "@convex-dev/react-query";
import { QueryClient } from "@tanstack/react-query";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { ask, nextValue, url, userToken } from "./script.mjs";

const api = anyApi;

/** A server that renders a page reads all its queries at one timestamp, over HTTP. */
async function rendersOnAServer() {
  await new ConvexHttpClient(url).mutation(api.counters.add, { name: "rendered" });
  for (const mode of ["consistent", "inconsistent"]) {
    const convex = new ConvexQueryClient(url, { dangerouslyUseInconsistentQueriesDuringSSR: mode === "inconsistent" });
    assert.ok(convex.serverHttpClient);
    const queries = new QueryClient({
      defaultOptions: { queries: { queryKeyHashFn: convex.hashFn(), queryFn: convex.queryFn() } },
    });
    convex.connect(queries);
    assert.equal(await queries.fetchQuery(convexQuery(api.counters.get, { name: "rendered" })), 1);
    convex.serverHttpClient.setAuth(userToken("ann"));
    assert.equal(await queries.fetchQuery(convexQuery(api.values.who, {})), "ann");
    queries.clear();
  }
}

/** The first token is kept until it ends: by how long it is valid, and by the clock of the server. */
async function keepsItsToken() {
  const client = new ConvexClient(url, { initialAuthTokenReuse: true });
  const [asked, changes, names] = [[], [], []];
  client.setAuth(
    async ({ forceRefreshToken }) => (asked.push(forceRefreshToken), userToken("bob")),
    (is) => changes.push(is),
  );
  client.onUpdate(api.values.who, {}, (name) => names.push(name));
  await nextValue(names, (name) => name === "bob");
  await nextValue(changes, (is) => is === true);
  assert.equal(await client.query(api.values.who, {}), "bob");
  assert.deepEqual(asked, [false]);
  await client.close();
}

/** A client reports that a call is not answered for a minute. What it says is not kept. */
async function reportsADisconnect() {
  const reports = [];
  const fetched = globalThis.fetch;
  globalThis.fetch = async (address, options) => {
    const response = await fetched(address, options);
    if (String(address).endsWith("/api/debug_event")) reports.push(response.status);
    return response;
  };
  const client = new ConvexClient(url, { reportDebugInfoToConvex: true });
  const first = client.mutation(api.counters.add, { name: "reports" });
  const now = Date.now;
  Date.now = () => now() + 120_000;
  const second = client.mutation(api.counters.add, { name: "reports" });
  Date.now = now;
  assert.deepEqual(await Promise.all([first, second]), [1, 2]);
  await nextValue(reports, (status) => status === 200);
  await client.close();
}

await rendersOnAServer();
await keepsItsToken();
await reportsADisconnect();
await ask("done");
process.exit(0);
