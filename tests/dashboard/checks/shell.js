import { same } from "./check.js";
import { OVERVIEW, Server } from "./fake_server.js";

const pause = (ms = 30) => new Promise((resolve) => setTimeout(resolve, ms));
const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const text = (/** @type {string} */ selector) => find(selector)?.textContent.replace(/\s+/g, " ").trim();

/** @param {() => unknown} isSo */
async function until(isSo) {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 200) throw new Error(`it never was so: ${isSo}`);
    await pause(20);
  }
}

/** @param {string} key @param {KeyboardEventInit} [options] */
async function press(key, options = {}) {
  (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options }));
  await pause();
}

/** @param {string} value */
async function type(value) {
  find("dialog input").value = value;
  find("dialog input").dispatchEvent(new Event("input", { bubbles: true }));
  await pause(250);
}

/** @param {Record<string, unknown>} changes */
async function overview(changes) {
  Server.values.set(OVERVIEW, { ...Server.values.get(OVERVIEW), ...changes });
  Server.last.push();
  await pause(300);
}

Server.values.set("_system/app:function_names", [
  { name: "orders:charge", kind: "action", visibility: "internal" },
  { name: "items:<b>list</b>", kind: "query", visibility: "public" },
]);
Server.values.set("_system/data:tables", [{ name: "orders" }, { name: "_scheduled_functions", isFramework: true }]);
Server.values.set("_system/app:find_jobs", [{ id: "0123456789abcdef0123456789abcdef", name: "orders:charge", state: "failed", time: Date.now() - 120_000 }]);
history.replaceState(null, "", "/dashboard/no-page");
await import("/dashboard/static/app.js");
await pause(100);

export default {
  async "the frame says what is served, and how much there is"() {
    await until(() => text(".foot")?.includes("workers"));
    same(text(".brand"), "shopconvexpy");
    same([...document.querySelectorAll(".nav a[href] .n")].map((each) => each.textContent), ["10,000+", "3", "38"]);
    same(/^2 workers, heard \d+ s agoSQLite 3.50.0 · 18.2 MB$/.test(text(".foot")), true, text(".foot"));
    same(text(".mode"), "dev");
    await overview({ mode: "production", writable: false, name: "<img src=x onerror='window.hacked = 1'>", workers: { count: 0, heardTime: null } });
    same([text(".mode"), text(".brand .word"), text(".foot span")], ["production read-only", "<img src=x onerror='window.hacked = 1'>", "No worker is heard"]);
    await overview({ mode: "dev", writable: true, name: "shop", workers: { count: 1, heardTime: Date.now() } });
    same(window.hacked, undefined);
  },
  async "an address without a page says so"() {
    await until(() => text("h1"));
    same([text("h1"), document.title], ["There is no such page", "Not found · shop · convexpy"]);
  },
  async "g and a letter open a page: title, mark in the navigation and focus follow"() {
    await press("g");
    await press("h");
    await until(() => location.pathname === "/dashboard/health");
    same([document.title, text("[aria-current=page] .word"), document.activeElement?.id], ["Health · shop · convexpy", "Health", "main"]);
    history.back();
    await until(() => text("h1") === "There is no such page");
  },
  async "links are followed without loading the dashboard again"() {
    window.stays = true;
    find(".nav a[href$='/logs']").click();
    await until(() => location.pathname === "/dashboard/logs");
    same(window.stays, true);
    find(".skip").click();
    same([document.activeElement?.id, location.pathname], ["main", "/dashboard/logs"]);
  },
  async "the palette opens pages, functions, jobs and tables, and gives the focus back"() {
    find(".palette-hint").focus();
    await press("k", { ctrlKey: true });
    same([find("dialog.palette").open, document.activeElement?.getAttribute("role")], [true, "combobox"]);
    await type("lis");
    await until(() => text("[role=option] .fn"));
    same(text("[role=option] .fn"), "items:<b>list</b>");
    await press("Escape");
    same([find("dialog"), document.activeElement?.className], [null, "palette-hint"]);
    for (const [typed, path] of [["hea", "health"], [":charg", "functions/orders%3Acharge"], ["#0123", "job/0123456789abcdef0123456789abcdef"], ["@ord", "data/orders"]]) {
      await press("k", { ctrlKey: true });
      await type(typed);
      await until(() => find("dialog [role=option][aria-selected=true]"));
      await press("Enter");
      same(location.pathname, `/dashboard/${path}`);
    }
  },
  async "in the palette the arrows go round, and nothing found is said"() {
    await press("k", { ctrlKey: true });
    await type("");
    const count = document.querySelectorAll("dialog [role=option]").length;
    const chosen = () => [...document.querySelectorAll("dialog [role=option]")].findIndex((each) => each.getAttribute("aria-selected") === "true");
    same([chosen(), find("dialog input").getAttribute("aria-activedescendant")], [0, "palette-0"]);
    await press("ArrowUp");
    same(chosen(), count - 1);
    await press("ArrowDown");
    await press("ArrowDown");
    same([chosen(), find("dialog input").getAttribute("aria-activedescendant")], [1, "palette-1"]);
    await type("zzzz");
    same(text("dialog .found"), "Nothing is found.");
    await press("Enter");
    await press("Escape");
  },
  async "all keys stand on a sheet, which takes the focus and gives it back"() {
    find(".palette-hint").focus();
    await press("?");
    same([text("dialog h2"), find("dialog").contains(document.activeElement)], ["Keys", true]);
    const shown = [...document.querySelectorAll(".key-list dt")].map((each) => each.textContent);
    same(["gs", "Ctrlk", "?", "z", "p", "u"].filter((each) => !shown.includes(each)), []);
    await press("g");
    await press("c");
    same(location.pathname.endsWith("/crons"), false);
    await press("Escape");
    same([find("dialog"), document.activeElement?.className], [null, "palette-hint"]);
  },
  async "the theme is chosen, kept, and that of the system by default"() {
    const ground = () => getComputedStyle(document.body).backgroundColor;
    const choose = async (/** @type {number} */ at) => (document.querySelectorAll(".top .theme input")[at].click(), await pause());
    await choose(2);
    const dark = ground();
    same([document.documentElement.dataset.theme, localStorage.getItem("convexpy.theme")], ["dark", "dark"]);
    await choose(1);
    same(ground() !== dark, true);
    await choose(0);
    same([document.documentElement.dataset.theme ?? null, localStorage.getItem("convexpy.theme")], [null, "system"]);
  },
  async "a toast says what happened, and z takes it back"() {
    const { toast } = await import("/dashboard/static/ui/toast.js");
    same(find("[role=status].toasts").getAttribute("aria-live"), "polite");
    let undone = 0;
    toast({ text: "3 jobs <b>canceled</b>", undo: async () => undone++ });
    await pause();
    same(text(".toast-text"), "3 jobs <b>canceled</b>");
    await press("z");
    await press("z");
    same([undone, text(".toast-text")], [1, "Undone"]);
    toast({ text: "no", undo: async () => { throw new Error("it is too late"); } });
    await pause();
    find(".toast button").click();
    await pause();
    same(text(".toast-text"), "It could not be undone: it is too late");
    find(".toast button").click();
    await pause();
    same(find(".toast"), null);
  },
  async "a toast can be pressed over a sheet, and outlives it"() {
    const { toast } = await import("/dashboard/static/ui/toast.js");
    await press("?");
    toast({ text: "over the sheet" });
    await pause();
    same(find("dialog").contains(find(".toast")), true);
    await press("Escape");
    same([find("dialog"), text(".toast-text")], [null, "over the sheet"]);
    find(".toast button").click();
    await pause();
  },
  async "what cannot be undone asks for the number"() {
    const { confirmNumber } = await import("/dashboard/static/ui/sheet.js");
    const ask = () => confirmNumber({ title: "Delete", text: "They are gone then.", number: 1_041, button: "Delete 1,041 rows" });
    let answer = ask();
    await pause();
    same([find("dialog .danger").disabled, text("dialog label span")], [true, "Type 1,041 to go on"]);
    await type("1,041");
    same(find("dialog .danger").disabled, false);
    find("dialog .danger").click();
    same(await answer, true);
    answer = ask();
    await pause();
    await type("41");
    find("dialog form").requestSubmit();
    await press("Escape");
    same([await answer, find("dialog")], [false, null]);
  },
  async "a server that is away is said, and again when it is back"() {
    const { now } = await import("/dashboard/static/ui/format.js");
    Server.last.onclose({ code: 1006, reason: "" });
    now.value = Date.now() + 5_000;
    await until(() => text(".away")?.includes("does not answer"));
    await until(() => !find(".away"));
  },
};
