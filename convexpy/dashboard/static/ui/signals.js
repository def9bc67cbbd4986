/**
 * Values that tell of their changes, and what follows from them.
 *
 *     const count = signal(1);
 *     const twice = computed(() => 2 * count.value);
 *     const stop = effect(() => console.log(twice.value)); // 2, and whenever it has changed
 *     batch(() => { count.value = 2; count.value = 3; });  // effects run once
 */

const MOST_ROUNDS = 100;

let reader = /** @type {Signal<any> | null} */ (null); // what runs now, and depends on what it reads
let batches = 0;
let isCalm = false;
const waiting = /** @type {Set<Signal<any>>} */ (new Set()); // effects to run as the batch ends

/** A value that tells of its changes; with `compute`, one that follows from others. @template T */
export class Signal {
  #held;
  #compute;
  #react;
  #version = 0;
  #isStale = true;
  #watchers = /** @type {Set<Signal<any>>} */ (new Set());
  #sources = /** @type {Map<Signal<any>, number>} */ (new Map());

  /** @param {T} value @param {() => T} [compute] @param {() => void} [react] what an effect does as a source changes */
  constructor(value, compute, react) {
    this.#held = value;
    this.#compute = compute;
    this.#react = react;
  }

  get value() {
    this.refresh();
    if (reader) reader.#see(this);
    return this.#held;
  }

  set value(value) {
    if (Object.is(value, this.#held)) return;
    this.#held = value;
    this.#version++;
    batch(() => [...this.#watchers].forEach((watcher) => watcher.#notify()));
  }

  /** The value, of which the caller does not become dependent. */
  peek() {
    this.refresh();
    return this.#held;
  }

  refresh() {
    const isTold = this.#react !== undefined || this.#watchers.size > 0;
    if (!this.#compute || (isTold && !this.#isStale)) return;
    this.#isStale = false; // and stale again if it changes what it depends on
    if (this.#version > 0 && !this.#hasChanged()) return;
    const value = this.#run(this.#compute);
    if (this.#version === 0 || !Object.is(value, this.#held)) this.#version++;
    this.#held = value;
  }

  stop() {
    for (const source of this.#sources.keys()) source.#unwatch(this);
    this.#compute = undefined;
    waiting.delete(this);
  }

  #hasChanged() {
    return [...this.#sources].some(([source, version]) => (source.refresh(), source.#version !== version));
  }

  /** @param {() => T} compute */
  #run(compute) {
    const [outer, before] = [reader, this.#sources];
    this.#sources = new Map();
    reader = this;
    try {
      return compute();
    } catch (error) {
      this.#isStale = true;
      throw error;
    } finally {
      reader = outer;
      for (const source of before.keys()) if (!this.#sources.has(source)) source.#unwatch(this);
    }
  }

  /** @param {Signal<any>} source */
  #see(source) {
    if (this.#sources.has(source)) return;
    this.#sources.set(source, source.#version);
    if (this.#react || this.#watchers.size > 0) source.#watch(this);
  }

  /** @param {Signal<any>} watcher */
  #watch(watcher) {
    if (this.#watchers.size === 0) for (const source of this.#sources.keys()) source.#watch(this);
    this.#watchers.add(watcher);
  }

  /** @param {Signal<any>} watcher */
  #unwatch(watcher) {
    this.#watchers.delete(watcher);
    if (this.#watchers.size === 0) for (const source of this.#sources.keys()) source.#unwatch(this);
  }

  #notify() {
    this.#isStale = true;
    if (this.#react) this.#react();
    else for (const watcher of this.#watchers) watcher.#notify();
  }
}

/** @template T @param {T} value */
export const signal = (value) => /** @type {Signal<T>} */ (new Signal(value));

/** @template T @param {() => T} compute @returns {Signal<T>} */
export const computed = (compute) => new Signal(/** @type {any} */ (undefined), compute);

/** Runs now and whenever a signal that it read has changed. What it returns runs before the next time, and at the end.
 * @param {() => void | (() => void)} run @returns {() => void} what ends it */
export function effect(run) {
  let cleanUp = /** @type {void | (() => void)} */ (undefined);
  const once = () => void (cleanUp?.(), (cleanUp = run()));
  const cell = new Signal(/** @type {void} */ (undefined), once, () => void waiting.add(cell));
  batch(() => cell.refresh()); // what it changes makes itself run again afterwards
  return () => void (cell.stop(), cleanUp?.(), (cleanUp = undefined));
}

/** Several changes at once: effects run after the last. @template T @param {() => T} change @returns {T} */
export function batch(change) {
  batches++;
  try {
    return change();
  } finally {
    if (batches === 1) settle();
    batches--;
  }
}

function settle() {
  for (let rounds = 0; waiting.size > 0 && rounds < MOST_ROUNDS; rounds++) {
    const effects = [...waiting];
    waiting.clear();
    for (const each of effects) attempt(() => each.refresh());
  }
  if (waiting.size > 0) console.error(new Error("effects change what they depend on, without an end"));
  waiting.clear();
}

/** Changes that no input asked for: they are rendered at most four times a second. @param {() => void} change */
export function calmly(change) {
  const before = isCalm;
  isCalm = true;
  try {
    batch(change);
  } finally {
    isCalm = before;
  }
}

/** Run something whose errors must not stop the rest.
 * @param {() => void} run @param {(error: unknown) => void} [onError] */
export function attempt(run, onError = console.error) {
  try {
    run();
  } catch (error) {
    onError(error);
  }
}

/** Whether the change that is being told of was made calmly. */
export const isCalmNow = () => isCalm;
