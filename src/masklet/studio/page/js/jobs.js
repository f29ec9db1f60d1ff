/** The jobs of the open project: those under way, and word of every change to those who show them. */

/** @import {Api} from "./api.js" */
/** @import {Job, State} from "./types.js" */
/** @import {Store} from "./store.js" */

export class Jobs {
  /** Those whose end is waited for. @type {Map<string, Job>} */
  #open = new Map();
  /** @type {Map<string, Job>} */
  #ended = new Map();
  /** @type {Set<(job: Job) => void>} */
  #listeners = new Set();
  /** @type {Set<() => void>} */
  #leaving = new Set();

  /**
   * @param {Api} api
   * @param {Store<State>} store
   */
  constructor(api, store) {
    this.api = api;
    this.store = store;
  }

  /**
   * @param {(job: Job) => void} listener called whenever a job changed
   * @param {() => void} [left] called when the project was left: nothing more is heard of its jobs
   */
  listen(listener, left) {
    this.#listeners.add(listener);
    if (left) this.#leaving.add(left);
  }

  /** @param {Job[]} jobs those under way, as the server lists them */
  listed(jobs) {
    const open = jobs.filter(({ id }) => !this.#ended.has(id));
    for (const job of open) this.#open.set(job.id, job);
    this.store.set({ jobs: open });
  }

  /**
   * A quick job's end may arrive before the answer that it was begun.
   *
   * @param {Job} told
   */
  changed(told) {
    if (told.project_id !== this.store.state.project?.id) return;
    const job = this.#ended.get(told.id) ?? told;
    const others = this.store.state.jobs.filter(({ id }) => id !== job.id);
    const open = job.state === "waiting" || job.state === "running";
    if (open) this.#open.set(job.id, job);
    else {
      this.#open.delete(job.id);
      this.#ended.set(job.id, job);
    }
    this.store.set({ jobs: open ? [...others, job] : others });
    for (const listener of this.#listeners) listener(job);
  }

  /**
   * The connection is there, perhaps again: a job that is no longer under way has ended unheard, or the server was
   * started anew and does not know it.
   *
   * @param {Job[]} jobs those under way
   */
  async greeted(jobs) {
    const id = this.store.state.project?.id;
    this.listed(jobs);
    const running = new Set(jobs.map((job) => job.id));
    const missed = [...this.#open.values()].filter((job) => !running.has(job.id));
    if (!id || !missed.length) return;
    const kept = new Map((await this.api.jobs(id)).map((job) => [job.id, job]));
    const error = { type: "LostError", message: "The server was started anew before this was done: begin it again." };
    for (const job of missed) this.changed(kept.get(job.id) ?? { ...job, state: "failed", error });
  }

  /** The project is left. */
  clear() {
    this.#open.clear();
    this.store.set({ jobs: [] });
    for (const left of this.#leaving) left();
  }
}
