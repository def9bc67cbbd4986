// What the checks of the dashboard's modules share.

/** @param {unknown} found @param {unknown} wanted @param {string} [what] */
export function same(found, wanted, what = "") {
  const [left, right] = [found, wanted].map((value) => JSON.stringify(value) ?? String(value));
  if (left !== right) throw new Error(`${what} ${left} is not ${right}`);
}

/** @param {() => unknown} run @param {RegExp} message */
export function throws(run, message) {
  try {
    run();
  } catch (error) {
    if (message.test(error.message)) return;
    throw error;
  }
  throw new Error(`nothing was thrown that says ${message}`);
}

/** An element in the document, empty. */
export function place() {
  document.body.replaceChildren();
  return document.body.appendChild(document.createElement("div"));
}

/** All that was asked for has been rendered. */
export const settled = () => new Promise((resolve) => setTimeout(resolve));

/** Collects what is written to the console as errors meanwhile. @param {() => unknown} run */
export async function errorsOf(run) {
  const [before, found] = [console.error, []];
  console.error = (/** @type {unknown[]} */ ...all) => found.push(all.map((each) => each?.message ?? String(each)).join(" "));
  try {
    await run();
  } finally {
    console.error = before;
  }
  return found;
}

/** Runs the checks of a module, and says which failed. @param {Record<string, () => unknown>} checks */
export async function run(checks) {
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
    } catch (error) {
      failed.push(`${name}: ${error.message}\n${error.stack}`);
    }
  }
  return { count: Object.keys(checks).length, failed };
}
