// What the scripts of the tests have in common. The test gives the server's address, and does what a script asks for.

import { createHmac } from "node:crypto";
import { createInterface } from "node:readline";

export const url = process.env.SERVER_URL;

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Ask the test to do something to the server: `kill`, `stop`, `start`. */
export async function ask(what) {
  console.log(`@${what}`);
  await answers.next();
}

/** Wait until the newest of the values is such a one. */
export async function nextValue(values, isWanted) {
  const deadline = Date.now() + 120_000;
  while (values.length === 0 || !isWanted(values.at(-1))) {
    if (Date.now() > deadline) throw new Error(`the values were ${JSON.stringify(values.slice(-5))}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return values.at(-1);
}

/** A token of a user, by the secret of the tests. */
export function userToken(subject, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: "https://issuer.example", aud: "served", sub: subject, iat: now, exp: now + 3600, ...claims };
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(payload)}`;
  return `${signed}.${createHmac("sha256", process.env.SERVER_SECRET).update(signed).digest("base64url")}`;
}
