/** Tracking controls: start, progress with the remaining time, and re-tracking after a correction. */

/** @import {Job, PageStore, TrackRequest} from "./types.js" */
/** @import {Session} from "./session.js" */
/** @import {Player} from "./player.js" */

import { byId, onClick, selectById, setText } from "./dom.js";
import { duration } from "./format.js";
import { showProgress } from "./jobs.js";
import { announce, toast } from "./toast.js";

export class TrackBar {
  /** Whether the current frame follows the tracker. */
  #following = false;
  /** A job, and its progress at the time from which its speed is measured. @type {{id: string, time: number, done: number} | null} */
  #measured = null;

  /** @param {PageStore} store @param {Session} session @param {Player} player */
  constructor(store, session, player) {
    this.store = store;
    this.session = session;
    this.player = player;
    this.from = selectById("track-from");
    this.what = selectById("track-what");
    onClick("track-forward", () => this.track("forward"));
    onClick("track-back", () => this.track("backward"));
    onClick("track-both", () => this.track("both"));
    onClick("retrack", () => this.retrack());
    onClick("cancel-track", () => this.cancel());
    session.onTracked = (frame) => this.#following && !store.state.playing && player.go(frame);
    session.jobs.onUpdate((job) => job.kind === "track" && this.#report(job));
    store.watch(["jobs", "project", "corrected"], () => this.#show());
  }

  /** @returns {Job | undefined} */
  get job() {
    return this.store.state.jobs.find(({ kind }) => kind === "track");
  }

  /** @param {TrackRequest["direction"]} direction */
  track(direction) {
    const { frame, active, project } = this.store.state;
    if (!project || this.job) return;
    if (![...this.session.results.lanes.values()].some(({ prompted }) => prompted.size)) {
      toast("There is nothing to track yet. Click an object in the image first.");
      return;
    }
    /** @type {TrackRequest} */
    const request = { direction };
    if (this.from.value === "here") request.frame = frame;
    if (this.what.value === "active" && active !== null) request.objects = [active];
    this.#start(request);
  }

  /** Track the corrected object until its masks agree with the earlier ones. */
  retrack() {
    const { corrected } = this.store.state;
    if (!corrected || this.job) return;
    const { object, frame } = corrected;
    this.#start({ direction: "both", frame, objects: [object], until_agree: true });
  }

  cancel() {
    if (this.job) this.session.cancel(this.job);
  }

  /** Stay on the frame the user has gone to. */
  stopFollowing() {
    this.#following = false;
  }

  /** @param {TrackRequest} request */
  #start(request) {
    this.player.pause();
    this.store.set({ candidates: [], proposals: [] });
    this.#following = true;
    this.session.track(request);
    announce("Tracking");
  }

  #show() {
    const { corrected, project } = this.store.state;
    const { job } = this;
    byId("track-controls").hidden = Boolean(job);
    byId("track-progress").hidden = !job;
    const object = project?.objects.find(({ id }) => id === corrected?.object);
    const retrack = byId("retrack");
    retrack.hidden = !object || Boolean(job);
    setText(/** @type {Element} */ (retrack.querySelector("span")), object ? `Re-track ${object.name}` : "Re-track");
    byId("track-forward").classList.toggle("primary", retrack.hidden);
    if (!job) return;
    showProgress("track", job, "Tracking");
    setText(byId("track-left"), this.#timeLeft(job));
  }

  /** @param {Job} job */
  #timeLeft({ id, done, total }) {
    if (this.#measured?.id !== id) this.#measured = done > 0 ? { id, time: performance.now(), done } : null;
    if (!this.#measured || done <= this.#measured.done) return "";
    const secondsPerFrame = (performance.now() - this.#measured.time) / 1000 / (done - this.#measured.done);
    return `${duration(secondsPerFrame * (total - done))} left`;
  }

  /** Tell the user how a job ended. @param {Job} job */
  #report({ state, result, done, error }) {
    if (state === "done") {
      const agreed = result?.stopped === "agreed";
      announce(`Tracked ${result?.frames ?? done} frames${agreed ? "; later masks are unchanged" : ""}`);
      if (agreed) toast(`Re-tracked ${result.frames} frames. Masks beyond them are unchanged.`);
    } else if (state === "cancelled") toast("Tracking canceled. Finished frames are kept.");
    else if (state === "failed") toast(error?.message ?? "Tracking failed.", "error");
  }
}
