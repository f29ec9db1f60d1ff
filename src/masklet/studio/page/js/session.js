/** The open project: its state, kept in sync with the server, and all edits of it. */

/** @import {Api} from "./api.js" */
/** @import {Candidate, ChangedEvent, FrameAnswer, FrameResult, Job, ObjectChange, PageStore, Project, ProjectChange, PromptAnswer, PromptRequest, Rle, TimelineAnswer, TrackRequest, TrackedObject} from "./types.js" */

import { ApiError } from "./api.js";
import { Events } from "./events.js";
import { Jobs } from "./jobs.js";
import { SerialQueue } from "./queue.js";
import { isTracked, Results } from "./results.js";
import { announce, showError, toast } from "./toast.js";

const REFRESH_DELAY = 60; // milliseconds in which several changes are joined to one refresh

/**
 * Frame and object of a prompt, as they were when the user made it: the current frame and the active object may have
 * changed by the time it is sent.
 *
 * @typedef {{frame: number, object: {id: number}}} Target id: 0 until the new object has been created
 * @typedef {Omit<PromptRequest, "object_id">} PromptInput
 */

export class Session {
  /** @type {Events | null} */
  #events = null;
  #refreshTimer = 0;
  #wasConnected = false;
  #queue;
  /** Object that the next prompt creates; all its prompts share this value and receive its id. */
  #newObject = { id: 0 };
  /** Called with every frame that has been tracked. @type {(frame: number) => void} */
  onTracked = () => {};
  /** @type {(answer: {seq: number, mask?: Rle, presence?: number, iou?: number}) => void} */
  onPreview = () => {};
  /** Called when previews can be requested, also after a lost connection. @type {() => void} */
  onConnected = () => {};
  /** Called when the project was deleted elsewhere. @type {() => void} */
  onDeleted = () => {};
  /** Whether the user is finishing the task of this project: its end is expected. */
  finishing = false;

  /** @param {Api} api @param {PageStore} store */
  constructor(api, store) {
    this.api = api;
    this.store = store;
    this.jobs = new Jobs(api, store);
    this.#queue = new SerialQueue((busy) => store.set({ busy }));
    const limit = () => store.state.about?.limits.masks_frames ?? 64;
    this.results = new Results(
      (start, end) => this.#try(() => api.masks(this.id, start, Math.min(end, start + limit()))),
      () => store.set({ resultsVersion: store.state.resultsVersion + 1 }),
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

  /** @param {string} id of a project */
  isOpen(id) {
    return this.store.state.project?.id === id;
  }

  /** @param {string} id @param {number} frame the frame to show */
  async open(id, frame) {
    this.close();
    const project = await this.api.project(id);
    const last = project.media.num_frames - 1;
    this.store.set({ project, frame: Math.min(frame, last), active: project.objects[0]?.id ?? null });
    this.jobs.setActive(project.jobs);
    this.#wasConnected = false;
    this.#setTimeline(await this.api.timeline(id));
    await this.loadFrame();
    this.#events = new Events(id, {
      onMessage: (message) => this.#onMessage(message),
      onStatus: (online) => {
        this.store.set({ online });
        if (online) this.onConnected();
      },
      onMissing: () => this.finishing || this.onDeleted(),
    });
  }

  close() {
    this.#events?.close();
    this.#events = null;
    clearTimeout(this.#refreshTimer);
    this.results.clear();
    this.#newObject = { id: 0 };
    this.store.set({ project: null, prompts: {}, candidates: [], proposals: [], review: [], corrected: null });
    this.jobs.clear();
  }

  /** Load the prompts and masks of the current frame. */
  loadFrame() {
    return this.#try(async () => {
      const { frame, project } = this.store.state;
      if (!project) return;
      const answer = await this.api.frame(project.id, frame);
      if (frame === this.store.state.frame && this.isOpen(project.id)) this.#showFrame(answer);
    });
  }

  /** Request the preview of a click. @param {object} request */
  requestPreview(request) {
    return this.#events?.requestPreview(request) ?? 0;
  }

  /** Target of a prompt that the user makes now. @returns {Target} */
  get target() {
    const { frame, active } = this.store.state;
    return { frame, object: active === null ? this.#newObject : { id: active } };
  }

  /** Make the next prompt create an object, whatever prompts are waiting for the server. */
  startObject() {
    this.#newObject = { id: 0 };
    this.store.set({ active: null, candidates: [] });
  }

  /**
   * Send a prompt, after all edits that were requested before it.
   *
   * @param {Target} target
   * @param {PromptInput | ((current: FrameAnswer) => PromptInput | null)} input a function computes it from the server's
   *   state of the frame when the prompt is sent; null sends nothing
   * @returns {Promise<PromptAnswer | null>} null if nothing was sent or an error was shown
   */
  prompt({ frame, object }, input) {
    return this.#edit(async (id) => {
      const prompt = typeof input === "function" ? input(await this.api.frame(id, frame)) : input;
      if (!prompt) return null;
      const lane = this.results.lanes.get(object.id);
      const wasTracked = lane && isTracked(lane);
      const answer = await this.api.prompt(id, frame, { ...prompt, object_id: object.id });
      if (!this.isOpen(id)) return null;
      if (answer.object) this.#addObject(object, answer.object);
      this.#applyAnswer(frame, object.id, answer, prompt.candidate);
      if (wasTracked) this.store.set({ corrected: { object: object.id, frame } });
      return answer;
    });
  }

  /** Remove all prompts of an object on a frame. @param {number} frame @param {number} object */
  clearPrompts(frame, object) {
    return this.#edit(async (id) => {
      const answer = await this.api.clearPrompts(id, frame, object);
      if (this.isOpen(id)) this.#applyAnswer(frame, object, answer);
    });
  }

  /**
   * Add proposals as objects.
   *
   * @param {number} frame @param {Candidate[]} chosen
   * @returns {Promise<TrackedObject[] | null>} null if an error was shown
   */
  addObjects(frame, chosen) {
    return this.#edit(async (id) => {
      const { frame: result, revision, objects } = await this.api.addObjects(id, frame, chosen.map(({ mask }) => mask));
      if (!this.isOpen(id)) return null;
      this.results.put(result, revision);
      if (objects[0]) this.store.set({ active: objects[0].id });
      this.#refreshSoon();
      return objects;
    });
  }

  /** @param {"undo" | "redo"} action */
  history(action) {
    return this.#edit(async (id) => {
      const label = this.project[action];
      const project = await this.api.history(id, action);
      if (!this.isOpen(id)) return;
      this.store.set({ project, corrected: null, candidates: [], candidate: -1 });
      this.results.expire();
      await this.#refresh();
      announce(`${action === "undo" ? "Undid" : "Redid"}: ${label ?? "the last edit"}`);
    });
  }

  /** @param {TrackRequest} request */
  track(request) {
    return this.#edit(async (id) => {
      this.jobs.update(await this.api.track(id, request));
      this.store.set({ corrected: null });
    });
  }

  /** @param {Job} job */
  cancel(job) {
    return this.#try(async () => this.jobs.update(await this.api.cancel(job.id)));
  }

  /** @param {number} object @param {ObjectChange} change */
  changeObject(object, change) {
    const objects = this.project.objects.map((one) => (one.id === object ? { ...one, ...change } : one));
    return this.#change({ objects }, (id) => this.api.changeObject(id, object, change));
  }

  /** @param {ProjectChange} change */
  changeProject(change) {
    return this.#change(change, (id) => this.api.changeProject(id, change));
  }

  /**
   * Show a change at once and send it. The refresh that follows reverts it if the server has rejected it.
   *
   * @param {Partial<Project>} change @param {(id: string) => Promise<unknown>} send
   */
  #change(change, send) {
    this.store.set({ project: { ...this.project, ...change } });
    return this.#edit((id) => send(id).finally(() => this.#refreshSoon()));
  }

  /** @param {TrackedObject} object */
  deleteObject(object) {
    return this.#edit(async (id) => {
      await this.api.deleteObject(id, object.id);
      if (!this.isOpen(id)) return;
      this.store.set({ active: this.store.state.active === object.id ? null : this.store.state.active, candidates: [] });
      this.results.expire();
      await this.#refresh();
      toast(`Deleted ${object.name}.`, "news", { label: "Undo", run: () => this.history("undo") });
    });
  }

  /** Load project, timeline and current frame once all edits have been answered. */
  #refreshSoon() {
    clearTimeout(this.#refreshTimer);
    if (!this.store.state.project) return;
    this.#refreshTimer = setTimeout(() => {
      if (this.#queue.length) this.#refreshSoon();
      else this.#try(() => this.#refresh());
    }, REFRESH_DELAY);
  }

  async #refresh() {
    const { id } = this;
    const { added } = this.#queue;
    const [project, timeline] = await Promise.all([this.api.project(id), this.api.timeline(id)]);
    if (!this.isOpen(id)) return;
    if (added !== this.#queue.added) return this.#refreshSoon(); // the answers may be older than the edits since then
    const { active } = this.store.state;
    this.store.set({ project, active: project.objects.some((object) => object.id === active) ? active : null });
    this.jobs.setActive(project.jobs);
    this.#setTimeline(timeline);
    await this.loadFrame();
  }

  /** @param {TimelineAnswer} timeline */
  #setTimeline(timeline) {
    this.results.setTimeline(timeline);
    this.store.set({ review: timeline.review });
  }

  /**
   * Add the object that a prompt created; it becomes the active one unless the user chose or started another meanwhile.
   *
   * @param {{id: number}} target @param {TrackedObject} object
   */
  #addObject(target, object) {
    target.id = object.id;
    const others = this.project.objects.filter(({ id }) => id !== object.id);
    this.store.set({ project: { ...this.project, objects: [...others, object] } });
    if (target !== this.#newObject) return;
    this.#newObject = { id: 0 };
    if (this.store.state.active === null) this.store.set({ active: object.id });
  }

  /**
   * @param {number} frame @param {number} id of the object
   * @param {PromptAnswer} answer
   * @param {boolean} [isCandidate] whether a candidate was chosen: the others stay available
   */
  #applyAnswer(frame, id, answer, isCandidate = false) {
    const { active, prompts: { [id]: _, ...others } } = this.store.state;
    const prompts = answer.prompt ? { ...others, [id]: answer.prompt } : others;
    this.#showFrame({ ...answer, prompts });
    this.#edited(answer);
    if (frame !== this.store.state.frame) return;
    this.store.set({ preview: null });
    if (id === active && !isCandidate) {
      this.store.set({ candidates: answer.candidates ?? [], candidate: -1, candidatesOf: { frame, object: id } });
    }
  }

  /** Take over the masks of a frame, and its prompts if it is the current frame. @param {FrameAnswer} answer */
  #showFrame({ frame: result, revision, prompts }) {
    if (this.#showMasks(result, revision) && result.frame === this.store.state.frame) this.store.set({ prompts });
  }

  /** @param {FrameResult} result @param {number} revision @returns {boolean} false if newer masks are shown */
  #showMasks(result, revision) {
    if (!this.results.put(result, revision)) return false;
    const { review } = this.store.state;
    const rest = review.filter((item) => item.frame !== result.frame || !result.objects[item.object_id]?.prompted);
    if (rest.length < review.length) this.store.set({ review: rest }); // prompted frames need no review
    return true;
  }

  /** Note that the project is at a new revision. @param {{revision: number, undo?: string}} edit */
  #edited({ revision, undo = "the last edit" }) {
    if (revision > this.project.revision) this.store.set({ project: { ...this.project, revision, undo, redo: null } });
  }

  /** @param {any} message */
  #onMessage(message) {
    if (message.type === "preview") this.onPreview(message);
    else if (message.type === "job") this.jobs.update(message.job);
    else if (message.type === "frame") {
      this.results.merge(message.frame, message.revision);
      this.onTracked(message.frame.frame);
    } else if (message.type === "changed") this.#onChanged(message);
    else if (message.type === "resync") this.#reload();
    else if (message.type === "hello") this.#onHello(message);
  }

  /**
   * Apply an edit, made here or on another page. While edits made here are waiting for their answers it waits too,
   * because those answers bring new objects and prompts.
   *
   * @param {ChangedEvent} event
   */
  #onChanged(event) {
    const { what, revision, frame, objects = [], stale } = event;
    if (!frame || typeof frame !== "object") {
      if (what === "objects") this.#refreshSoon();
      else this.#reload();
      return;
    }
    const { id } = this;
    const apply = async () => {
      if (!this.isOpen(id)) return;
      const isNew = revision > this.project.revision; // not made here
      this.#showMasks(frame, revision);
      this.#edited(event);
      if (stale) this.results.expire(...stale);
      const isKnown = (/** @type {number} */ object) => this.project.objects.some((one) => one.id === object);
      if (stale || !objects.every(isKnown)) this.#refreshSoon();
      else if (isNew && frame.frame === this.store.state.frame) await this.loadFrame(); // for its prompts
    };
    if (this.#queue.length) this.#queue.run(() => this.#try(apply));
    else this.#try(apply);
  }

  /**
   * The connection is open, possibly again: events may have been missed.
   *
   * @param {{revision: number, jobs: Job[]}} message
   */
  #onHello({ revision, jobs }) {
    if (this.#wasConnected || jobs.length || revision !== this.project.revision) this.#reload();
    this.#wasConnected = true;
    this.#try(() => this.jobs.reconcile(jobs));
  }

  /** Any frame may have changed. */
  #reload() {
    this.results.expire();
    this.#refreshSoon();
  }

  /**
   * Run an edit after those requested before it; it is dropped if its project is closed by then.
   *
   * @template T
   * @param {(id: string) => Promise<T>} action receives the id of the project
   * @returns {Promise<T | null>}
   */
  #edit(action) {
    const { id } = this;
    return this.#queue.run(() => this.#try(async () => (this.isOpen(id) ? action(id) : null)));
  }

  /**
   * Run an action; show its error, unless it concerns a project that has been closed.
   *
   * @template T
   * @param {() => Promise<T>} action
   * @returns {Promise<T | null>} null after an error
   */
  async #try(action) {
    const id = this.store.state.project?.id;
    try {
      return await action();
    } catch (error) {
      if (this.finishing || this.store.state.project?.id !== id) return null;
      if (error instanceof ApiError && error.status === 404 && error.message.includes("project")) this.onDeleted();
      showError(error);
      return null;
    }
  }
}
