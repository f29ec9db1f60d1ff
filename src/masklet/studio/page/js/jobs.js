/** The jobs of the open project: tracking, exports and proposals that run on the server. */

/** @import {Api} from "./api.js" */
/** @import {Session} from "./session.js" */
/** @import {Job, PageStore} from "./types.js" */

import { byId, setProgress, setText } from "./dom.js";
import { showError } from "./toast.js";

/** @param {Job} job */
export function isActive({ state }) {
  return state === "waiting" || state === "running";
}

/**
 * Show the progress of a job in the elements `<name>-bar` and `<name>-text`.
 *
 * @param {string} name @param {Job} job @param {string} verb such as "Tracking"
 */
export function showProgress(name, job, verb) {
  setProgress(`${name}-bar`, job);
  setText(byId(`${name}-text`), job.state === "waiting" ? "Waiting in the queue" : `${verb} ${job.done} of ${job.total}`);
}

export class Jobs {
  /** Jobs whose end has not been reported. @type {Map<string, Job>} */
  #active = new Map();
  /** @type {Map<string, Job>} */
  #finished = new Map();
  /** @type {Set<(job: Job) => void>} */
  #listeners = new Set();
  /** @type {Set<() => void>} */
  #closeListeners = new Set();

  /** @param {Api} api @param {PageStore} store */
  constructor(api, store) {
    this.api = api;
    this.store = store;
  }

  /** @param {(job: Job) => void} listener called whenever a job changes */
  onUpdate(listener) {
    this.#listeners.add(listener);
  }

  /** @param {() => void} listener called when the project is closed: its jobs are not reported any more */
  onClose(listener) {
    this.#closeListeners.add(listener);
  }

  /** @param {Job[]} jobs active jobs as listed by the server */
  setActive(jobs) {
    const active = jobs.filter(({ id }) => !this.#finished.has(id));
    for (const job of active) this.#active.set(job.id, job);
    this.store.set({ jobs: active });
  }

  /**
   * Take over the new state of a job. The end of a short job may be reported before the response that it was started.
   *
   * @param {Job} update
   */
  update(update) {
    if (update.project_id !== this.store.state.project?.id) return;
    const job = this.#finished.get(update.id) ?? update;
    const others = this.store.state.jobs.filter(({ id }) => id !== job.id);
    if (isActive(job)) this.#active.set(job.id, job);
    else {
      this.#active.delete(job.id);
      this.#finished.set(job.id, job);
    }
    this.store.set({ jobs: isActive(job) ? [...others, job] : others });
    for (const listener of this.#listeners) listener(job);
  }

  /**
   * After a reconnection, report the jobs that ended in the meantime. A job that the server does not know was lost when
   * the server restarted.
   *
   * @param {Job[]} jobs active jobs
   */
  async reconcile(jobs) {
    const id = this.store.state.project?.id;
    this.setActive(jobs);
    const running = new Set(jobs.map((job) => job.id));
    const missing = [...this.#active.values()].filter((job) => !running.has(job.id));
    if (!id || !missing.length) return;
    const known = new Map((await this.api.jobs(id)).map((job) => [job.id, job]));
    const error = { type: "LostError", message: "The server restarted before this job finished. Start it again." };
    for (const job of missing) this.update(known.get(job.id) ?? { ...job, state: "failed", error });
  }

  /** The project is being closed. */
  clear() {
    this.#active.clear();
    this.store.set({ jobs: [] });
    for (const listener of this.#closeListeners) listener();
  }
}

/** The job that belongs to one control, at most one at a time, from the request that starts it to its end. */
export class JobSlot {
  /** Id of the job, "" while its start is being requested. @type {string | null} */
  #id = null;

  /**
   * @param {Session} session
   * @param {{onUpdate: (job: Job) => void, onFree: () => void}} handlers onUpdate: also called with the finished job,
   *   after onFree; onFree: another job may be started
   */
  constructor(session, { onUpdate, onFree }) {
    this.session = session;
    this.onFree = onFree;
    session.jobs.onUpdate((job) => {
      if (job.id !== this.#id) return;
      if (!isActive(job)) this.#free();
      onUpdate(job);
    });
    session.jobs.onClose(() => this.#free());
  }

  get id() {
    return this.#id;
  }

  get busy() {
    return this.#id !== null;
  }

  /** Continue with a job that was started before the page was reloaded. @param {Job} job */
  adopt(job) {
    this.#id ??= job.id;
  }

  /**
   * @param {() => Promise<Job>} request starts the job
   * @returns {Promise<boolean>} whether it was started; if not, an error was shown
   */
  async start(request) {
    const { id } = this.session;
    this.#id = "";
    try {
      const job = await request();
      if (!this.session.isOpen(id)) return false;
      this.#id = job.id;
      this.session.jobs.update(job);
      return true;
    } catch (error) {
      if (!this.session.isOpen(id)) return false;
      this.#free();
      showError(error);
      return false;
    }
  }

  #free() {
    this.#id = null;
    this.onFree();
  }
}
