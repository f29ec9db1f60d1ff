/** One open project: what the server knows of it, kept in step, and everything that can be done to it. */

/** @import {Api} from "./api.js" */
/** @import {Candidate, Job, PromptAnswer, PromptRequest, Rle, State, TrackedObject, TrackRequest} from "./types.js" */
/** @import {Store} from "./store.js" */

import { ApiError } from "./api.js";
import { Events } from "./events.js";
import { Results } from "./results.js";
import { announce, complain, toast } from "./toast.js";

export class Session {
  /** @type {Events | null} */
  #events = null;
  #refreshing = 0;
  #connected = false;
  #work = Promise.resolve();
  /** Changes that are under way, and those ever begun. */
  #turns = 0;
  #begun = 0;
  /** @type {Map<string, Job>} */
  #ended = new Map();
  /** @type {Set<(job: Job) => void>} */
  #jobListeners = new Set();
  /** @type {Set<(frame: number) => void>} */
  #trackListeners = new Set();
  /** @type {(answer: {seq: number, mask?: Rle, presence?: number, iou?: number}) => void} */
  onPreview = () => {};
  /** @type {() => void} */
  onGone = () => {};
  /** Whether the project is about to end, and that is what the person wants. */
  leaving = false;

  /**
   * @param {Api} api
   * @param {Store<State>} store
   */
  constructor(api, store) {
    this.api = api;
    this.store = store;
    const limit = () => store.state.about?.limits.masks_frames ?? 64;
    this.results = new Results(
      async (start, end) => {
        const { id } = this;
        try {
          return (await api.masks(id, start, Math.min(end, start + limit()))).frames;
        } catch (error) {
          this.#failed(id, error);
          throw error;
        }
      },
      () => store.set({ drawn: store.state.drawn + 1 }),
      () => {}, // has been told
    );
  }

  get project() {
    const { project } = this.store.state;
    if (!project) throw new Error("no project is open");
    return project;
  }

  get id() {
    return this.project.id;
  }

  /** @param {string} id */
  async open(id) {
    this.close();
    const project = await this.api.project(id);
    this.store.set({ project, jobs: project.jobs, frame: 0, active: project.objects[0]?.id ?? null });
    this.#connected = false;
    this.results.setTimeline(await this.#timeline());
    await this.loadPrompts();
    this.#events = new Events(id, {
      message: (message) => this.#take(message),
      online: (online) => this.store.set({ online }),
      refused: () => this.leaving || this.onGone(),
    });
  }

  close() {
    this.#events?.close();
    this.#events = null;
    clearTimeout(this.#refreshing);
    this.results.setTimeline({ revision: 0, num_frames: 0, lanes: [], review: [] });
    this.results.expire();
    this.store.set({ project: null, prompts: {}, candidates: [], proposals: [], review: [], jobs: [], corrected: null });
  }

  /** @param {(job: Job) => void} listener */
  onJob(listener) {
    this.#jobListeners.add(listener);
  }

  /** @param {(frame: number) => void} listener called with each frame that was tracked */
  onTracked(listener) {
    this.#trackListeners.add(listener);
  }

  /** What was said on the frame in sight, with its masks. */
  loadPrompts() {
    return this.#try(async () => {
      const { frame, project } = this.store.state;
      if (!project) return;
      const answer = await this.api.frame(project.id, frame);
      if (frame !== this.store.state.frame || project.id !== this.store.state.project?.id) return;
      this.results.put(answer.frame, true);
      this.store.set({ prompts: answer.prompts });
    });
  }

  /**
   * Ask what a click would give.
   *
   * @param {object} question
   */
  hover(question) {
    return this.#events?.hover(question) ?? 0;
  }

  /**
   * Say something about an object on a frame; one after the other, in the order of the clicks.
   *
   * @param {number} frame
   * @param {PromptRequest} request
   * @returns {Promise<PromptAnswer | null>} null when it failed; the person has been told
   */
  prompt(frame, request) {
    return this.#inTurn(async () => {
      const object = request.object_id || this.store.state.active || 0;
      const wasTracked = (this.results.lanes.get(object)?.codes ?? []).some(
        (code, at) => code !== 0 && !this.results.lanes.get(object)?.prompted.has(at),
      );
      const answer = await this.api.prompt(this.id, frame, { ...request, object_id: object });
      this.#answered(frame, answer, object);
      if (wasTracked) this.store.set({ corrected: { object, frame } });
      return answer;
    });
  }

  /**
   * Take back everything said about an object on a frame.
   *
   * @param {number} frame
   * @param {number} object
   */
  clear(frame, object) {
    return this.#inTurn(async () => {
      const answer = await this.api.clearPrompt(this.id, frame, object);
      this.#answered(frame, answer, object);
      this.results.expire();
    });
  }

  /**
   * @param {number} frame
   * @param {Candidate[]} chosen
   */
  adopt(frame, chosen) {
    return this.#inTurn(async () => {
      const answer = await this.api.addObjects(this.id, frame, chosen.map(({ mask }) => mask));
      this.results.put(answer.frame, true);
      const first = answer.objects[0];
      if (first) this.store.set({ active: first.id });
      this.refreshSoon();
    });
  }

  /** @param {"undo" | "redo"} way */
  history(way) {
    return this.#inTurn(async () => {
      const label = this.project[way];
      const project = await this.api.history(this.id, way);
      this.store.set({ project, corrected: null, candidates: [], candidate: -1 });
      this.results.expire();
      await this.#refresh();
      announce(`${way === "undo" ? "Took back" : "Did again"}: ${label ?? "the last step"}`);
    });
  }

  /** @param {TrackRequest} request */
  track(request) {
    return this.#inTurn(async () => {
      this.#jobChanged(await this.api.track(this.id, request));
      this.store.set({ corrected: null });
    });
  }

  /** @param {Job} job */
  cancel(job) {
    return this.#try(async () => this.#jobChanged(await this.api.cancel(job.id)));
  }

  /**
   * @param {number} object
   * @param {Partial<Pick<TrackedObject, "name" | "color" | "hidden" | "locked">>} change
   */
  changeObject(object, change) {
    const objects = this.project.objects.map((one) => (one.id === object ? { ...one, ...change } : one));
    this.store.set({ project: { ...this.project, objects } });
    return this.#inTurn(async () => {
      await this.api.changeObject(this.id, object, change);
      this.refreshSoon();
    });
  }

  /** @param {TrackedObject} object */
  deleteObject(object) {
    return this.#inTurn(async () => {
      await this.api.deleteObject(this.id, object.id);
      this.store.set({ active: this.store.state.active === object.id ? null : this.store.state.active, candidates: [] });
      this.results.expire();
      await this.#refresh();
      toast(`${object.name} was deleted.`, "news", { label: "Undo", run: () => this.history("undo") });
    });
  }

  /** @param {{name?: string, in?: number, out?: number, specks?: number, holes?: number}} change */
  changeProject(change) {
    this.store.set({ project: { ...this.project, ...change } });
    return this.#inTurn(async () => this.store.set({ project: await this.api.changeProject(this.id, change) }));
  }

  /** @param {Job} job */
  watchJob(job) {
    this.#jobChanged(job);
  }

  refreshSoon() {
    clearTimeout(this.#refreshing);
    this.#refreshing = setTimeout(() => (this.#turns ? this.refreshSoon() : this.#try(() => this.#refresh())), 60);
  }

  async #refresh() {
    const id = this.id;
    const begun = this.#begun;
    const [project, timeline] = await Promise.all([this.api.project(id), this.#timeline()]);
    if (this.store.state.project?.id !== id) return;
    if (begun !== this.#begun) {
      this.refreshSoon(); // something was changed meanwhile: this answer may be older
      return;
    }
    const ids = new Set(project.objects.map((object) => object.id));
    const { active } = this.store.state;
    const jobs = project.jobs.filter((job) => !this.#ended.has(job.id));
    this.store.set({ project, jobs, active: active !== null && ids.has(active) ? active : null });
    this.results.setTimeline(timeline);
    await this.loadPrompts();
  }

  async #timeline() {
    const answer = await this.api.timeline(this.id);
    this.store.set({ review: answer.review });
    return answer;
  }

  /**
   * @param {number} frame
   * @param {PromptAnswer} answer
   * @param {number} object
   */
  #answered(frame, answer, object) {
    this.results.put(answer.frame, true);
    const id = answer.object?.id ?? object;
    if (answer.object) {
      const objects = [...this.project.objects.filter((one) => one.id !== id), answer.object];
      this.store.set({ project: { ...this.project, objects } });
    }
    if (frame === this.store.state.frame) {
      const { [id]: _, ...others } = this.store.state.prompts;
      this.store.set({ prompts: answer.prompt ? { ...others, [id]: answer.prompt } : others });
    }
    this.store.set({ active: id, candidates: answer.candidates ?? [], candidate: -1, preview: null });
    this.refreshSoon();
  }

  /** @param {any} message */
  #take(message) {
    if (message.type === "preview") this.onPreview(message);
    else if (message.type === "job") this.#jobChanged(message.job);
    else if (message.type === "frame") {
      this.results.put(message.frame, false);
      for (const listener of this.#trackListeners) listener(message.frame.frame);
    } else if (message.type === "changed") this.#changed(message.what !== "objects");
    else if (message.type === "hello") this.#greeted(message);
    else if (message.type === "resync") this.#changed(true);
  }

  /**
   * The connection is there, perhaps again: what was said in between is unknown.
   *
   * @param {{revision: number, jobs: Job[]}} message
   */
  #greeted({ revision, jobs }) {
    if (this.#connected || jobs.length || revision !== this.project.revision) this.#changed(true);
    this.#connected = true;
    this.store.set({ jobs });
  }

  /** @param {boolean} masks whether masks may have changed too */
  #changed(masks) {
    if (masks) this.results.expire();
    this.refreshSoon();
  }

  /**
   * A quick job's end may arrive before the answer that it was begun.
   *
   * @param {Job} told
   */
  #jobChanged(told) {
    const job = this.#ended.get(told.id) ?? told;
    const others = this.store.state.jobs.filter(({ id }) => id !== job.id);
    const open = job.state === "waiting" || job.state === "running";
    if (!open) this.#ended.set(job.id, job);
    this.store.set({ jobs: open ? [...others, job] : others });
    if (!open && job.kind === "track") this.refreshSoon();
    for (const listener of this.#jobListeners) listener(job);
  }

  /**
   * @template T
   * @param {() => Promise<T>} action
   * @returns {Promise<T | null>}
   */
  #inTurn(action) {
    this.#turns += 1;
    this.#begun += 1;
    this.store.set({ busy: true });
    const turn = this.#work.then(async () => {
      const result = await this.#try(action);
      this.#turns -= 1;
      this.store.set({ busy: this.#turns > 0 });
      return result;
    });
    this.#work = turn.then(() => {});
    return turn;
  }

  /**
   * @template T
   * @param {() => Promise<T>} action
   * @returns {Promise<T | null>}
   */
  async #try(action) {
    const id = this.store.state.project?.id;
    try {
      return await action();
    } catch (error) {
      this.#failed(id, error);
      return null;
    }
  }

  /**
   * Nobody asks any more for what concerns a project that was left meanwhile.
   *
   * @param {string | undefined} id the project
   * @param {unknown} error
   */
  #failed(id, error) {
    if (this.leaving || this.store.state.project?.id !== id) return;
    if (error instanceof ApiError && error.status === 404 && error.message.includes("project")) this.onGone();
    complain(error);
  }
}
