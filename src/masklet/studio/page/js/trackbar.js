/** Tracking: where from, which way and what, progress with the time left, and the re-track after a correction. */

/** @import {Job, State, TrackRequest} from "./types.js" */
/** @import {Store} from "./store.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */

import { byId, say } from "./dom.js";
import { duration } from "./format.js";
import { announce, toast } from "./toast.js";

/** @typedef {TrackRequest["direction"]} Direction */

export class TrackBar {
  /** Whether the picture goes along with the tracker. */
  #follows = false;
  #running = "";
  /** @type {{time: number, done: number} | null} */
  #began = null;

  /**
   * @param {Store<State>} store
   * @param {Session} session
   * @param {Player} player
   */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.from = /** @type {HTMLSelectElement} */ (byId("track-from"));
    this.what = /** @type {HTMLSelectElement} */ (byId("track-what"));
    byId("track-forward").addEventListener("click", () => this.track("forward"));
    byId("track-back").addEventListener("click", () => this.track("backward"));
    byId("track-both").addEventListener("click", () => this.track("both"));
    byId("retrack").addEventListener("click", () => this.retrack());
    byId("cancel-track").addEventListener("click", () => this.cancel());
    session.onTracked((frame) => this.#follow(frame));
    session.jobs.listen((job) => job.kind === "track" && this.#finished(job));
    store.watch(["jobs", "project", "corrected"], () => this.#show());
  }

  /** @returns {Job | undefined} */
  get job() {
    return this.store.state.jobs.find(({ kind }) => kind === "track");
  }

  /** @param {Direction} direction */
  track(direction) {
    const { frame, active, project } = this.store.state;
    if (!project || this.job) return;
    if (!project.objects.some(({ prompted }) => prompted.length)) {
      toast("Nothing to track yet: click an object in the picture first.");
      return;
    }
    /** @type {TrackRequest} */
    const request = { direction };
    if (this.from.value === "here") request.frame = frame;
    if (this.what.value === "active" && active !== null) request.objects = [active];
    this.#start(request);
  }

  /** Track only what the last correction changed. */
  retrack() {
    const { corrected } = this.store.state;
    if (!corrected || this.job) return;
    const { object, frame } = corrected;
    this.#start({ direction: "both", frame, objects: [object], until_agree: true });
  }

  cancel() {
    const { job } = this;
    if (job) this.session.cancel(job);
    return Boolean(job);
  }

  /** The person went somewhere else: stay there. */
  stay() {
    this.#follows = false;
  }

  /** @param {TrackRequest} request */
  #start(request) {
    this.player.pause();
    this.store.set({ candidates: [], proposals: [] });
    this.#follows = true;
    this.session.track(request);
    announce("Tracking");
  }

  /** @param {number} frame */
  #follow(frame) {
    if (this.#follows && !this.player.playing) this.player.go(frame);
  }

  #show() {
    const { corrected, project } = this.store.state;
    const { job } = this;
    byId("track-controls").hidden = Boolean(job);
    byId("track-progress").hidden = !job;
    const object = project?.objects.find(({ id }) => id === corrected?.object);
    const retrack = byId("retrack");
    retrack.hidden = !object || Boolean(job);
    say(/** @type {Element} */ (retrack.querySelector("span")), object ? `Re-track ${object.name}` : "Re-track");
    byId("track-forward").classList.toggle("primary", retrack.hidden);
    if (!job) {
      this.#running = "";
      return;
    }
    if (this.#running !== job.id) {
      this.#running = job.id;
      this.#began = null;
    }
    if (!this.#began && job.done > 0) this.#began = { time: performance.now(), done: job.done };
    const bar = /** @type {HTMLProgressElement} */ (byId("track-bar"));
    if (job.total) {
      bar.max = job.total;
      bar.value = job.done;
    } else bar.removeAttribute("value");
    say(byId("track-text"), job.state === "waiting" ? "Waiting for its turn" : `Tracking ${job.done} of ${job.total}`);
    say(byId("track-left"), this.#timeLeft(job));
  }

  /** @param {Job} job */
  #timeLeft(job) {
    if (!this.#began || job.done <= this.#began.done) return "";
    const rate = (performance.now() - this.#began.time) / 1000 / (job.done - this.#began.done);
    return `${duration(rate * (job.total - job.done))} left`;
  }

  /** @param {Job} job */
  #finished(job) {
    if (job.state === "done") {
      const agreed = job.result?.stopped === "agreed" ? ", results agree again" : "";
      announce(`Tracked ${job.result?.frames ?? job.done} frames${agreed}`);
      if (agreed) toast(`Re-tracked ${job.result.frames} frames: from there on nothing changes.`);
    } else if (job.state === "cancelled") toast("Tracking stopped; what was done stays.");
    else if (job.state === "failed") toast(job.error?.message ?? "Tracking failed.", "error");
  }
}
