// The page of examples/chat in two tabs of Chromium: typed in one, seen in the other, through a server that is killed.

import assert from "node:assert/strict";
import { launch } from "./browser.mjs";
import { ask, url } from "./script.mjs";

const browser = await launch();
const problems = [];

async function openTab(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.on("pageerror", (error) => problems.push(error.stack));
  page.on("console", (message) => {
    const isOurs = message.type() === "error" && !message.text().includes("net::ERR_"); // the server is away at times
    if (isOurs) problems.push(message.text());
  });
  await page.goto(process.env.PAGE_URL ?? url);
  return page;
}

async function join(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Your name").press("Enter");
  await field(page).waitFor();
}

const field = (page) => page.getByRole("textbox", { name: "Message" });

async function say(page, text) {
  await field(page).fill(text);
  await field(page).press("Enter");
}

const bodies = (page) => page.locator(".body").allTextContents();

async function showsOnce(page, text) {
  await page.locator(".body:not(.unsent)").getByText(text, { exact: true }).waitFor();
  assert.equal((await bodies(page)).filter((body) => body === text).length, 1);
}

async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
}

const ann = await openTab();
const bob = await openTab({ colorScheme: "dark", viewport: { width: 390, height: 844 } });
await ann.getByText("Nothing in # general yet").waitFor();
await shot(ann, "empty");
await join(ann, "Ann");
await join(bob, "Bob <b>");

await say(ann, "Hello, Bob");
await showsOnce(ann, "Hello, Bob");
await showsOnce(bob, "Hello, Bob");

await field(bob).pressSequentially("I am ty");
await ann.getByText("Bob <b> is typing").waitFor();
await shot(ann, "typing");
await field(bob).fill("");
const long = "x".repeat(300);
await say(bob, long);
await showsOnce(ann, long);
for (const page of [ann, bob]) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0); // a long word is broken, and not the layout
}

await ask("kill");
await ann.getByText("Connecting again").waitFor();
await say(ann, "Sent while the server was away");
await ann.locator(".unsent").getByText("Sent while").waitFor();
await field(ann).fill("Half a sentence");
await shot(ann, "offline");
await shot(bob, "offline-phone");
await ask("start");
await ann.getByText("Connecting again").waitFor({ state: "hidden" });
await showsOnce(ann, "Sent while the server was away");
await showsOnce(bob, "Sent while the server was away");
assert.equal(await field(ann).inputValue(), "Half a sentence");
await field(ann).fill("");

for (let number = 1; number <= 35; number++) await say(ann, `Number ${number}`);
await showsOnce(bob, "Number 35");
await bob.reload();
await field(bob).waitFor(); // and still Bob
const older = bob.getByRole("button", { name: "Older messages" });
await older.waitFor();
assert.equal((await bodies(bob)).length, 30);
await older.click();
await showsOnce(bob, "Hello, Bob");
const all = await bodies(bob);
assert.equal(new Set(all).size, all.length);
await older.waitFor({ state: "hidden" });
await shot(ann, "many");
await shot(bob, "many-phone");

await ann.getByRole("link", { name: "# reading" }).click();
await ann.getByText("Nothing in # reading yet").waitFor();
await bob.getByRole("button", { name: "Log out" }).click();
await bob.getByLabel("Your name").waitFor();
assert.deepEqual(problems, []);
await browser.close();
await ask("done");
process.exit(0);
