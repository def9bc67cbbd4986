/** The jobs that fit: the first page, live, and those after it as far as one has scrolled. */

import { address } from "../ui/address.js";
import { live, query } from "../ui/api.js";
import { computed, effect, signal } from "../ui/render.js";
import { onClose } from "../ui/scope.js";
import { failed } from "../ui/toast.js";
import { timeOf, isOver } from "../ui/job_parts.js";
import { filterOf, states } from "./schedules_filter.js";

/** @import { Job } from "../ui/job_parts.js" */
/** @typedef {{ jobs: Job[], cursor: string | null, isCut: boolean, hasMorePending: boolean, time: number }} FoundPage */

const PAGE = 100;
const MOST_PENDING = 8; // among all states; the tab of what is pending shows all
const MOST = 5_000; // lines
const LOOKED_AT = 20_000; // by a search that is cut

export class FoundJobs {
  #first;
  #key = "";
  #older = signal(/** @type {Map<string, Job>} */ (new Map()));
  #last = /** @type {Job[]} */ ([]); // the first page before
  #end = signal(/** @type {FoundPage | null} */ (null)); // the last page that was loaded after the first
  #cuts = signal(1);
  #isLoadingMore = signal(false);
  #jobs;

  constructor() {
    this.#first = live.of(() => [filterOf().text ? "_system/jobs:find" : "_system/jobs:search", this.#arguments()]);
    this.#jobs = computed(() => this.#merged());
    onClose(
      effect(() => {
        const key = JSON.stringify(this.#arguments());
        const page = /** @type {FoundPage | undefined} */ (this.#first.value);
        if (key !== this.#key) this.#forget(key);
        else if (page && !this.#first.isLoading) this.#keep(page);
      }),
    );
  }

  #arguments() {
    const isAll = states().length === 1 || address.value.params.get("pending") === "all";
    return { filter: filterOf(), limit: PAGE, ...(isAll ? {} : { most_pending: MOST_PENDING }) };
  }

  /** @param {string} key */
  #forget(key) {
    this.#key = key;
    this.#last = [];
    [this.#older.value, this.#end.value, this.#cuts.value] = [new Map(), null, 1];
  }

  /** What leaves the first page, as newer jobs come into it, is among the older ones. @param {FoundPage} page */
  #keep(page) {
    if (this.#end.peek()) {
      const ids = new Set(page.jobs.map(({ id }) => id));
      const left = this.#last.filter((job) => isOver(job) && !ids.has(job.id));
      if (left.length > 0)
        this.#older.value = new Map([
          ...left.map((job) => /** @type {[string, Job]} */ ([job.id, job])),
          ...this.#older.peek(),
        ]);
    }
    this.#last = page.jobs;
  }

  #merged() {
    const first = /** @type {Job[]} */ (this.#first.value?.jobs ?? []);
    if (this.#older.value.size === 0) return first;
    const ids = new Set(first.map(({ id }) => id));
    const older = [...this.#older.value.values()].filter(({ id }) => !ids.has(id));
    return [
      ...first,
      ...older.filter((job) => !isOver(job)),
      ...older.filter(isOver).sort((a, b) => timeOf(b) - timeOf(a)),
    ];
  }

  get value() {
    return this.#first.value;
  }

  get error() {
    return this.#first.error;
  }

  get isLoading() {
    return this.#first.isLoading;
  }

  get isLoadingMore() {
    return this.#isLoadingMore.value;
  }

  get jobs() {
    return this.#jobs.value;
  }

  /** Whether nothing fits, as far as was looked. */
  get isEmpty() {
    return this.value !== undefined && !this.isLoading && this.jobs.length === 0;
  }

  get hasMorePending() {
    return this.#first.value?.hasMorePending === true;
  }

  /** Whether the search only goes on when it is asked to. */
  get isCut() {
    return (this.#end.value ?? this.#first.value)?.isCut === true;
  }

  get lookedAt() {
    return this.#cuts.value * LOOKED_AT;
  }

  /** @param {string} id */
  byId(id) {
    return this.#jobs.peek().find((job) => job.id === id);
  }

  /** Load the next page. @param {{ isAsked?: boolean }} [options] `isAsked`: also where a search was cut */
  async more({ isAsked = false } = {}) {
    const last = this.#end.peek() ?? /** @type {FoundPage | undefined} */ (this.#first.value);
    if (!last?.cursor || this.#isLoadingMore.peek() || (last.isCut && !isAsked) || this.#jobs.peek().length >= MOST)
      return;
    const key = this.#key;
    this.#isLoadingMore.value = true;
    try {
      const page = /** @type {FoundPage} */ (
        await query("_system/jobs:search", { ...this.#arguments(), cursor: last.cursor })
      );
      if (key !== this.#key) return;
      if (last.isCut) this.#cuts.value++;
      this.#older.value = new Map([
        ...this.#older.peek(),
        ...page.jobs.map((job) => /** @type {[string, Job]} */ ([job.id, job])),
      ]);
      this.#end.value = page;
    } catch (error) {
      failed(error, "The next jobs cannot be shown");
    } finally {
      this.#isLoadingMore.value = false;
    }
  }
}
