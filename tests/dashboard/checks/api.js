import { effect, signal } from "/dashboard/static/ui/render.js";
import { Scope } from "/dashboard/static/ui/scope.js";
import { same, settled } from "./check.js";
import { OVERVIEW, Server } from "./fake_server.js";

const pause = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));
const { awaySince, connection, isPaused, isWritable, live, mutation, query, session } = await import("/dashboard/static/ui/api.js");
await pause(30);

export default {
  "it connects below the dashboard, and knows the app"() {
    same(Server.last.url, "ws://modules.test/dashboard/api/sync");
    same([session.value.name, isWritable(), connection.value, awaySince.value], ["shop", true, "connected", null]);
  },
  async "a subscription shows the value, now and later"() {
    Server.values.set("a:b", 1);
    const [it, seen] = [live("a:b", { x: 1 }), []];
    const stop = effect(() => void seen.push([it.value, it.isLoading]));
    await pause(20);
    Server.values.set("a:b", 2);
    Server.last.push();
    await settled();
    same(seen, [[null, true], [1, false], [2, false]]);
    it.dispose();
    stop();
    await settled();
    same(Server.names(), [OVERVIEW]);
  },
  async "it follows signals, and shows the last value meanwhile"() {
    Server.values.set(`c:d{"id":"1"}`, "one");
    Server.values.set(`c:d{"id":"2"}`, "two");
    const id = signal(/** @type {string | null} */ (null));
    const it = live.of(() => id.value && ["c:d", { id: id.value }]);
    await pause(10);
    same([it.value, it.isLoading, Server.names()], [undefined, false, [OVERVIEW]]);
    id.value = "1";
    await pause(20);
    same(it.value, "one");
    id.value = "2";
    same([it.value, it.isLoading], ["one", true]);
    await pause(20);
    same([it.value, it.isLoading, Server.names()], ["two", false, [OVERVIEW, "c:d"]]);
    id.value = null;
    same([it.value, it.isLoading], [undefined, false]);
    await settled();
    same(Server.names(), [OVERVIEW]);
    it.dispose();
  },
  async "an error stands beside the last value, until there is another"() {
    Server.values.set("e:f", "good");
    const it = live("e:f");
    await pause(20);
    Server.values.set("e:f", new Error("broken"));
    Server.last.push();
    await settled();
    same([it.value, it.error?.message], ["good", "broken"]);
    Server.values.set("e:f", "better");
    Server.last.push();
    await settled();
    same([it.value, it.error], ["better", undefined]);
    it.dispose();
  },
  async "it ends with the page that opened it"() {
    const scope = new Scope();
    scope.within(() => live("g:h"));
    await pause(20);
    same(Server.names(), [OVERVIEW, "g:h"]);
    scope.close();
    await settled();
    same(Server.names(), [OVERVIEW]);
  },
  async "while it is paused what is shown stands still, and what came is shown afterwards"() {
    Server.values.set("i:j", 1);
    const it = live("i:j");
    await pause(20);
    isPaused.value = true;
    Server.values.set("i:j", 2);
    Server.values.set(OVERVIEW, { writable: false, name: "shop" });
    Server.last.push();
    await settled();
    same([it.value, isWritable()], [1, false]);
    isPaused.value = false;
    same(it.value, 2);
    it.dispose();
  },
  async "errors of mutations have a code, and queries are asked once"() {
    const error = await mutation("k:l").catch((/** @type {any} */ each) => each);
    same([error.message, error.code], ["no k:l", "NOT_FOUND"]);
    Server.values.set("m:n", [1]);
    same(await query("m:n"), [1]);
    await settled();
    same(Server.names(), [OVERVIEW]);
  },
  async "it says since when the server is away, and comes back by itself"() {
    const before = Server.last;
    before.onclose({ code: 1006, reason: "" });
    await settled();
    same([connection.value, typeof awaySince.value], ["connecting", "number"]);
    for (let tries = 0; connection.value !== "connected" && tries < 100; tries++) await pause(20);
    same([connection.value, awaySince.value, Server.last !== before, Server.names()], ["connected", null, true, [OVERVIEW]]);
  },
};
