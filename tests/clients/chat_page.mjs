// The page of examples/chat in two tabs of Chromium: typed in one, seen in the other, through a server that is killed.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { ask, url } from "./script.mjs";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

const problems = [];

async function openTab(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => problems.push(error.stack));
  await page.goto(url);
  return page;
}

async function join(page, name) {
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await page.waitForSelector("#composer:not([hidden])");
}

async function say(page, text) {
  await page.fill("#body", text);
  await page.press("#body", "Enter");
}

const bodies = (page) => page.locator("#messages .body").allTextContents();
const showsOnce = async (page, text) => {
  await page.locator("#messages .body:not(.unsent)", { hasText: text }).waitFor();
  assert.equal((await bodies(page)).filter((body) => body === text).length, 1);
};
const shot = async (page, name) => process.env.SHOTS && (await page.screenshot({ path: `${process.env.SHOTS}/${name}.png` }));

const ann = await openTab();
const bob = await openTab({ colorScheme: "dark", viewport: { width: 390, height: 844 } });
await ann.waitForSelector("#empty:not([hidden])");
await shot(ann, "empty");
await join(ann, "Ann");
await join(bob, "Bob <b>");
await shot(ann, "joined");

await say(ann, "Hello, Bob");
await showsOnce(ann, "Hello, Bob");
await showsOnce(bob, "Hello, Bob");

await bob.locator("#body").pressSequentially("I am ty");
await ann.waitForSelector("#typists:has-text('Bob <b> is typing')");
await shot(ann, "typing");
await bob.fill("#body", "");
await say(bob, "x".repeat(300));
await showsOnce(ann, "x".repeat(300));
for (const page of [ann, bob]) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0); // a long word is broken, and not the layout
}

await ask("kill");
await ann.waitForSelector("#offline:not([hidden])");
await say(ann, "Sent while the server was away");
await ann.locator("#messages .unsent", { hasText: "Sent while" }).waitFor();
await ann.fill("#body", "Half a sentence");
await shot(ann, "offline");
await shot(bob, "offline-phone");
await ask("start");
await ann.waitForSelector("#offline", { state: "hidden" });
await showsOnce(ann, "Sent while the server was away");
await showsOnce(bob, "Sent while the server was away");
assert.equal(await ann.inputValue("#body"), "Half a sentence");
await ann.fill("#body", "");

for (let number = 1; number <= Number(process.env.MESSAGES ?? 35); number++) await say(ann, `Number ${number}`);
await showsOnce(bob, `Number ${process.env.MESSAGES ?? 35}`);
await bob.reload();
await bob.waitForSelector("#composer:not([hidden])"); // and still Bob
await bob.waitForSelector("#older:not([hidden])");
assert.equal((await bodies(bob)).length, 30);
await bob.click("#older");
await showsOnce(bob, "Hello, Bob");
const all = await bodies(bob);
assert.equal(new Set(all).size, all.length);
await bob.waitForSelector("#older", { state: "hidden" });
await shot(ann, "many");
await shot(bob, "many-phone");

await ann.click("nav a:has-text('reading')");
await ann.waitForSelector("#empty:has-text('Nothing in # reading yet')");
await bob.click("#leave");
await bob.waitForSelector("#login:not([hidden])");
assert.deepEqual(problems, []);
await browser.close();
await ask("done");
process.exit(0);
