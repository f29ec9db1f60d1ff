/** One open project: what the server knows of it, kept in step, and everything that can be done to it. */

/** @import {Api} from "./api.js" */
/** @import {Candidate, FrameAnswer, Job, PromptAnswer, PromptRequest, Rle, State, TrackedObject, TrackRequest} from "./types.js" */
/** @import {Store} from "./store.js" */

import { ApiError } from "./api.js";
import { Events } from "./events.js";
import { Jobs } from "./jobs.js";
import { Results } from "./results.js";
import { announce, complain, toast } from "./toast.js";
import { Turns } from "./turns.js";

/**
 * What a prompt is about, from the moment it was meant: later the frame in sight and the active object may be others.
 *
 * @typedef {{frame: number, object: {id: number}}} Target id: 0 until the new object has one
 * @typedef {Omit<PromptRequest, "object_id">} Said
 */

export class Session {
  /** @type {Events | null} */
  #events = null;
  #refreshing = 0;
  #connected = false;
  #turns;
  /** The object that the next prompt makes; all prompts meant for it share it, and with it the number it gets. */
  #fresh = { id: 0 };
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
    this.jobs = new Jobs(api, store);
    this.jobs.listen(({ kind, state }) => kind === "track" && state !== "waiting" && state !== "running" && this.refreshSoon());
    this.#turns = new Turns((busy) => store.set({ busy }));
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
    this.store.set({ project, frame: 0, active: project.objects[0]?.id ?? null });
    this.jobs.listed(project.jobs);
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
    this.#fresh = { id: 0 };
    this.store.set({ project: null, prompts: {}, candidates: [], proposals: [], review: [], corrected: null });
    this.jobs.clear();
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

  /** @returns {Target} what a prompt is about that is meant now */
  get target() {
    const { frame, active } = this.store.state;
    return { frame, object: active === null ? this.#fresh : { id: active } };
  }

  /** The next prompt makes a new object, whatever prompts are still under way. */
  begin() {
    this.#fresh = { id: 0 };
    this.store.set({ active: null, candidates: [] });
  }

  /**
   * Say something about an object on a frame; one after the other, in the order of the clicks.
   *
   * @param {Target} target
   * @param {Said | ((there: FrameAnswer) => Said | null)} said what, or what to say to what is there when it is its
   *   turn: the page may not have loaded it, and what was asked for before may have changed it; null: nothing
   * @returns {Promise<PromptAnswer | null>} null when nothing was said or it failed; the person has been told
   */
  prompt({ frame, object }, said) {
    return this.#inTurn(async (id) => {
      const request = typeof said === "function" ? said(await this.api.frame(id, frame)) : said;
      if (!request) return null;
      const lane = this.results.lanes.get(object.id);
      const wasTracked = (lane?.codes ?? []).some((code, at) => code !== 0 && !lane?.prompted.has(at));
      const answer = await this.api.prompt(id, frame, { ...request, object_id: object.id });
      if (!this.isOpen(id)) return null;
      if (!object.id && answer.object) this.#became(object, answer.object.id);
      this.#answered(frame, answer, object.id, request.candidate);
      if (wasTracked) this.store.set({ corrected: { object: object.id, frame } });
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
    return this.#inTurn(async (id) => {
      const answer = await this.api.clearPrompt(id, frame, object);
      if (!this.isOpen(id)) return;
      this.#answered(frame, answer, object);
      this.results.expire();
    });
  }

  /**
   * @param {number} frame
   * @param {Candidate[]} chosen
   * @returns {Promise<TrackedObject[] | null>} null when it failed; the person has been told
   */
  adopt(frame, chosen) {
    return this.#inTurn(async (id) => {
      const answer = await this.api.addObjects(id, frame, chosen.map(({ mask }) => mask));
      if (!this.isOpen(id)) return null;
      this.results.put(answer.frame, true);
      const first = answer.objects[0];
      if (first) this.store.set({ active: first.id });
      this.refreshSoon();
      return answer.objects;
    });
  }

  /** @param {"undo" | "redo"} way */
  history(way) {
    return this.#inTurn(async (id) => {
      const label = this.project[way];
      const project = await this.api.history(id, way);
      if (!this.isOpen(id)) return;
      this.store.set({ project, corrected: null, candidates: [], candidate: -1 });
      this.results.expire();
      await this.#refresh();
      announce(`${way === "undo" ? "Took back" : "Did again"}: ${label ?? "the last step"}`);
    });
  }

  /** @param {TrackRequest} request */
  track(request) {
    return this.#inTurn(async (id) => {
      this.jobs.changed(await this.api.track(id, request));
      this.store.set({ corrected: null });
    });
  }

  /** @param {Job} job */
  cancel(job) {
    return this.#try(async () => this.jobs.changed(await this.api.cancel(job.id)));
  }

  /**
   * @param {number} object
   * @param {Partial<Pick<TrackedObject, "name" | "color" | "hidden" | "locked">>} change
   */
  changeObject(object, change) {
    const objects = this.project.objects.map((one) => (one.id === object ? { ...one, ...change } : one));
    this.store.set({ project: { ...this.project, objects } });
    return this.#inTurn(async (id) => {
      try {
        await this.api.changeObject(id, object, change);
      } finally {
        this.refreshSoon(); // a change that was refused goes out of sight
      }
    });
  }

  /** @param {TrackedObject} object */
  deleteObject(object) {
    return this.#inTurn(async (id) => {
      await this.api.deleteObject(id, object.id);
      if (!this.isOpen(id)) return;
      this.store.set({ active: this.store.state.active === object.id ? null : this.store.state.active, candidates: [] });
      this.results.expire();
      await this.#refresh();
      toast(`${object.name} was deleted.`, "news", { label: "Undo", run: () => this.history("undo") });
    });
  }

  /** @param {{name?: string, in?: number, out?: number, specks?: number, holes?: number}} change */
  changeProject(change) {
    this.store.set({ project: { ...this.project, ...change } });
    return this.#inTurn(async (id) => {
      try {
        const project = await this.api.changeProject(id, change);
        if (this.isOpen(id)) this.store.set({ project });
      } catch (error) {
        this.refreshSoon();
        throw error;
      }
    });
  }

  refreshSoon() {
    clearTimeout(this.#refreshing);
    if (!this.store.state.project) return;
    this.#refreshing = setTimeout(() => (this.#turns.waiting ? this.refreshSoon() : this.#try(() => this.#refresh())), 60);
  }

  async #refresh() {
    const id = this.id;
    const { begun } = this.#turns;
    const [project, timeline] = await Promise.all([this.api.project(id), this.#timeline()]);
    if (this.store.state.project?.id !== id) return;
    if (begun !== this.#turns.begun) {
      this.refreshSoon(); // something was changed meanwhile: this answer may be older
      return;
    }
    const ids = new Set(project.objects.map((object) => object.id));
    const { active } = this.store.state;
    this.store.set({ project, active: active !== null && ids.has(active) ? active : null });
    this.jobs.listed(project.jobs);
    this.results.setTimeline(timeline);
    await this.loadPrompts();
  }

  async #timeline() {
    const answer = await this.api.timeline(this.id);
    this.store.set({ review: answer.review });
    return answer;
  }

  /**
   * A new object has its number; it becomes the active one, unless another was chosen or begun meanwhile.
   *
   * @param {{id: number}} object
   * @param {number} id
   */
  #became(object, id) {
    object.id = id;
    if (object !== this.#fresh) return;
    this.#fresh = { id: 0 };
    if (this.store.state.active === null) this.store.set({ active: id });
  }

  /**
   * @param {number} frame
   * @param {PromptAnswer} answer
   * @param {number} id of the object
   * @param {boolean} [isReading] whether a reading was taken: the others stay to be taken
   */
  #answered(frame, answer, id, isReading = false) {
    this.results.put(answer.frame, true);
    if (answer.object) {
      const objects = [...this.project.objects.filter((one) => one.id !== id), answer.object];
      this.store.set({ project: { ...this.project, objects } });
    }
    if (frame === this.store.state.frame) {
      const { [id]: _, ...others } = this.store.state.prompts;
      this.store.set({ prompts: answer.prompt ? { ...others, [id]: answer.prompt } : others, preview: null });
      if (id === this.store.state.active && !isReading) {
        this.store.set({ candidates: answer.candidates ?? [], candidate: -1, clicked: { frame, object: id } });
      }
    }
    this.refreshSoon();
  }

  /** @param {any} message */
  #take(message) {
    if (message.type === "preview") this.onPreview(message);
    else if (message.type === "job") this.jobs.changed(message.job);
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
    this.#try(() => this.jobs.greeted(jobs));
  }

  /** @param {boolean} masks whether masks may have changed too */
  #changed(masks) {
    if (masks) this.results.expire();
    this.refreshSoon();
  }

  /** @param {string} id of a project */
  isOpen(id) {
    return this.store.state.project?.id === id;
  }

  /**
   * @template T
   * @param {(id: string) => Promise<T>} action gets the project it was asked for; left out when that was left meanwhile
   * @returns {Promise<T | null>}
   */
  #inTurn(action) {
    const { id } = this;
    return this.#turns.take(() => this.#try(async () => (this.isOpen(id) ? action(id) : null)));
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
