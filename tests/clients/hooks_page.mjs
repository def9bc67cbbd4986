// The page of hooks.jsx in Chromium, against a server that is killed on the way.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { build } from "esbuild";
import { launch } from "./browser.mjs";
import { ask, url } from "./script.mjs";

const { outputFiles } = await build({
  entryPoints: ["hooks.jsx"],
  bundle: true,
  write: false,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
});
const html = `<div id="root"></div><script>window.SERVER_URL = "${url}"</script><script type="module" src="/hooks.js"></script>`;

const server = createServer((request, response) => {
  const isScript = request.url.endsWith(".js");
  response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
  response.end(isScript ? outputFiles[0].text : html);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

const browser = await launch();
const page = await browser.newPage();
page.setDefaultTimeout(60_000);
page.on("pageerror", (error) => console.log(error.stack));
page.on("console", (message) => message.type() === "error" && console.log(message.text()));
await page.goto(`http://127.0.0.1:${server.address().port}/`);

const shows = (name, value) => page.locator(`#${name}`).getByText(JSON.stringify(value), { exact: true }).waitFor();
const press = (name) => page.getByRole("button", { name, exact: true }).click();

for (const name of ["count", "cached", "tanstack", "basket"]) await shows(name, 0);
await shows("skipped", "skipped");
await shows("refused", "none");
await page.locator("#error").getByText("name").waitFor();
await press("add");
for (const name of ["count", "cached", "tanstack"]) await shows(name, 1);
await press("ten");
for (const name of ["count", "cached", "tanstack"]) await shows(name, 11);
await press("put");
await shows("basket", 3);

await shows("pages", []);
for (let number = 0; number < 3; number++) {
  await press("send");
  await shows("pages", Array.from({ length: number + 1 }, (_, index) => String(number - index)));
}
await shows("cached-pages", ["2", "1", "0"]);
await page.reload(); // pages begin anew, and the session stays
await shows("pages", ["2", "1"]);
await shows("status", "CanLoadMore");
await shows("cached-pages", ["2"]);
await shows("basket", 3);
await press("more");
await shows("pages", ["2", "1", "0"]);
await shows("status", "Exhausted");

await ask("kill");
await press("add"); // shown at once, and done when the server is back
await shows("count", 12);
await ask("start");
await shows("tanstack", 12);
await press("send");
await shows("pages", ["3", "2", "1", "0"]);
await shows("cached-pages", ["3", "2"]);
assert.equal(await page.locator("#count").textContent(), "12");
await browser.close();
await ask("done");
process.exit(0);
