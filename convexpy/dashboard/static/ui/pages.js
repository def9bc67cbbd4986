/** The pages: their titles, their letters after `g`, and which of them stand behind "More" on a phone. */

/**
 * What a module in pages/ has as its default.
 * @typedef {object} Page
 * @property {string} title
 * @property {(scope: PageScope) => () => unknown} open called as the page is entered; returns what is rendered, again
 *   whenever a signal that it read has changed. Parts and parameters of the address change without another call.
 * @property {boolean} [hasStyle] whether there is pages/<name>.css
 */
/** @typedef {import("./scope.js").Scope & { keys: typeof import("./keys.js").keys }} PageScope */

/** @type {Record<string, { title: string, letter?: string, isWide?: boolean, isHidden?: boolean }>} */
export const PAGES = {
  schedules: { title: "Schedules", letter: "s" },
  job: { title: "Job", isHidden: true },
  crons: { title: "Crons", letter: "c" },
  functions: { title: "Functions", letter: "f" },
  errors: { title: "Errors", letter: "e", isWide: true },
  data: { title: "Data", letter: "d" },
  logs: { title: "Logs", letter: "l", isWide: true },
  live: { title: "Live", letter: "v", isWide: true },
  conflicts: { title: "Conflicts", letter: "x", isWide: true },
  health: { title: "Health", letter: "h", isWide: true },
  audit: { title: "Audit", letter: "a", isWide: true },
};
