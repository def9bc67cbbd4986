// Uses of client.d.ts, and wrong ones: each of these is marked as expected.
import { Client, ConvexError, type LocalStore } from "./client.js";

interface Task {
  id: number;
  text: string;
}

const client = new Client("http://127.0.0.1:3210", { onConnection: (state) => state === "connected" });
const stop: () => void = client.subscribe<Task[]>("tasks:list", {}, (tasks) => tasks[0]?.text.length, (error) => error.message);
const count: Promise<number> = client.query<number>("tasks:count");
const optimistic = (store: LocalStore) => {
  const tasks = store.get<Task[]>("tasks:list") ?? [];
  store.set("tasks:list", {}, [...tasks, { id: 0, text: "" }]);
  for (const { args, value } of store.all<Task[]>("tasks:list")) store.set("tasks:list", args, value?.slice(1));
};
const sent: Promise<number> = client.mutation("tasks:add", { text: "tea", raw: new Uint8Array(1), big: 1n }, { optimistic });
client.setAuth(async ({ forceRefresh }) => (forceRefresh ? null : "token"), (isAuthenticated: boolean) => isAuthenticated);
client.setAuth(null);
client.action("tasks:call").catch((error) => error instanceof ConvexError && [error.code, error.data]);
client.close();
export { count, sent, stop };

// @ts-expect-error: there is no such state
new Client(undefined, { onConnection: (state) => state === "open" });
// @ts-expect-error: the arguments are missing
client.subscribe("tasks:list", (tasks) => tasks);
// @ts-expect-error: a function fetches the token
client.setAuth("token");
// @ts-expect-error: there is no such option
client.mutation("tasks:add", {}, { optimstic: () => {} });
// @ts-expect-error: the value may be missing
client.mutation("tasks:add", {}, { optimistic: (store) => store.get<Task[]>("tasks:list").length });
