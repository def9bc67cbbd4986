// Hooks of React, of @convex-dev/react-query and of convex-helpers in one page. The test reads what it shows.

import { ConvexQueryClient, convexQuery, useConvexMutation } from "@convex-dev/react-query";
import { QueryClient, QueryClientProvider, useMutation as useTanstackMutation, useQuery as useTanstackQuery } from "@tanstack/react-query";
import { ConvexQueryCacheProvider } from "convex-helpers/react/cache";
import { usePaginatedQuery as useCachedPages, useQuery as useCachedQuery } from "convex-helpers/react/cache/hooks";
import { SessionProvider, useSessionMutation, useSessionQuery } from "convex-helpers/react/sessions";
import { ConvexProvider, ConvexReactClient, insertAtTop, useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { Component } from "react";
import { createRoot } from "react-dom/client";

const channel = "hooks";

function Shown({ name, value }) {
  return <p id={name}>{JSON.stringify(value)}</p>;
}

function Hooks() {
  const count = useQuery(api.counters.get, { name: "hooks" });
  const skipped = useQuery(api.counters.get, "skip");
  const pages = usePaginatedQuery(api.messages.page, { channel }, { initialNumItems: 2 });
  const add = useMutation(api.counters.add).withOptimisticUpdate((store, { name }) => {
    const value = store.getQuery(api.counters.get, { name });
    if (value !== undefined) store.setQuery(api.counters.get, { name }, value + 1);
  });
  const send = useMutation(api.messages.send).withOptimisticUpdate((localQueryStore, { body }) => {
    const item = { id: -1, body };
    insertAtTop({ paginatedQuery: api.messages.page, argsToMatch: { channel }, localQueryStore, item });
  });
  return (
    <>
      <Shown name="count" value={count} />
      <Shown name="skipped" value={skipped ?? "skipped"} />
      <Shown name="pages" value={pages.results.map((message) => message.body)} />
      <Shown name="status" value={pages.status} />
      <button onClick={() => add({ name: "hooks" })}>add</button>
      <button onClick={() => send({ channel, body: String(pages.results.length) })}>send</button>
      <button onClick={() => pages.loadMore(2)}>more</button>
    </>
  );
}

function Helpers() {
  const count = useCachedQuery(api.counters.get, { name: "hooks" });
  const pages = useCachedPages(api.messages.page, { channel }, { initialNumItems: 1 });
  const basket = useSessionQuery(api.sessions.basket);
  const put = useSessionMutation(api.sessions.put);
  return (
    <>
      <Shown name="cached" value={count} />
      <Shown name="cached-pages" value={pages.results.map((message) => message.body)} />
      <Shown name="basket" value={basket} />
      <button onClick={() => put({ amount: 3 })}>put</button>
    </>
  );
}

function Tanstack() {
  const { data } = useTanstackQuery(convexQuery(api.counters.get, { name: "hooks" }));
  const { data: refused } = useTanstackQuery({ ...convexQuery(api.counters.get, { nmae: "typo" }), retry: false });
  const { mutate } = useTanstackMutation({ mutationFn: useConvexMutation(api.counters.add) });
  return (
    <>
      <Shown name="tanstack" value={data} />
      <Shown name="refused" value={refused ?? "none"} />
      <button onClick={() => mutate({ name: "hooks", amount: 10 })}>ten</button>
    </>
  );
}

class Boundary extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    return this.state.error ? <Shown name="error" value={this.state.error.message} /> : this.props.children;
  }
}

function Failing() {
  useQuery(api.counters.get, {});
  return null;
}

const client = new ConvexReactClient(window.SERVER_URL);
const convexQueryClient = new ConvexQueryClient(client);
const queries = { queryKeyHashFn: convexQueryClient.hashFn(), queryFn: convexQueryClient.queryFn() };
const queryClient = new QueryClient({ defaultOptions: { queries } });
convexQueryClient.connect(queryClient);

createRoot(document.getElementById("root")).render(
  <ConvexProvider client={client}>
    <ConvexQueryCacheProvider>
      <SessionProvider>
        <QueryClientProvider client={queryClient}>
          <Hooks />
          <Helpers />
          <Tanstack />
          <Boundary>
            <Failing />
          </Boundary>
        </QueryClientProvider>
      </SessionProvider>
    </ConvexQueryCacheProvider>
  </ConvexProvider>,
);
