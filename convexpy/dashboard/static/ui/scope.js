/** What lives as long as a page: its subscriptions, its keys and its commands. */

let current = /** @type {Scope | null} */ (null);

/** @typedef {{ label: string, run: () => unknown, icon?: string, hint?: string, key?: string }} Command */

export class Scope {
  #closers = /** @type {(() => void)[]} */ ([]);
  isClosed = false;
  /** Commands of the page, for the palette: `scope.commands = () => [{ label: "New job…", run, key: "n" }]`. */
  commands = /** @type {() => Command[]} */ (() => []);

  /** Call something as the page is left. @param {() => void} close */
  onClose(close) {
    if (this.isClosed) close();
    else this.#closers.push(close);
  }

  close() {
    this.isClosed = true;
    for (const close of this.#closers.splice(0)) close();
  }

  /** Run a function whose subscriptions end with this scope. @template T @param {() => T} run @returns {T} */
  within(run) {
    const before = current;
    current = this;
    try {
      return run();
    } finally {
      current = before;
    }
  }
}

/** Call something as the page is left that is being opened. Elsewhere, the caller ends it. @param {() => void} close */
export function onClose(close) {
  current?.onClose(close);
}
