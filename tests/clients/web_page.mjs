// The page that `convexpy init --with-web` writes: a task added in one tab is seen, and done, in another.

import { launch } from "./browser.mjs";
import { ask, url } from "./script.mjs";

const browser = await launch();
const [one, other] = await Promise.all([browser.newPage(), browser.newPage()]);
for (const page of [one, other]) {
  page.setDefaultTimeout(60_000);
  await page.goto(url);
}
await one.getByLabel("Task").fill("Buy tea");
await one.getByRole("button", { name: "Add" }).click();
await other.getByLabel("Buy tea").check();
await one.locator(".done").getByText("Buy tea").waitFor();
if (process.env.SHOTS) await one.screenshot({ path: `${process.env.SHOTS}/web.png` });
await browser.close();
await ask("done");
process.exit(0);
