/** Steps and jumps between frames, and playback at the frame rate of the clip. */

/** @import {PageStore} from "./types.js" */

const DEFAULT_FPS = 12; // of media without a frame rate

export class Player {
  #startTime = 0;
  #startPosition = 0;
  #request = 0;
  /** Presentation time of every frame in seconds, empty if the media has none. @type {number[]} */
  times = [];
  speed = 1;

  /** @param {PageStore} store @param {(frame: number) => boolean} isLoaded whether the image of a frame is cached */
  constructor(store, isLoaded) {
    this.store = store;
    this.isLoaded = isLoaded;
  }

  get #length() {
    return this.store.state.project?.media.num_frames ?? 1;
  }

  /** Time since the first frame in seconds. @param {number} frame */
  timeOf(frame) {
    if (this.times.length) return (this.times[frame] ?? 0) - (this.times[0] ?? 0);
    return frame / (this.store.state.project?.media.fps ?? DEFAULT_FPS);
  }

  /** @param {number} frame */
  go(frame) {
    this.store.set({ frame: Math.min(this.#length - 1, Math.max(0, Math.round(frame))) });
    if (this.store.state.playing) this.#restartClock();
  }

  /** @param {number} frames */
  step(frames) {
    this.pause();
    this.go(this.store.state.frame + frames);
  }

  toggle() {
    if (this.store.state.playing) this.pause();
    else this.play();
  }

  play() {
    const { project, playing, frame } = this.store.state;
    if (!project || playing || this.#length < 2) return;
    if (frame >= project.out - 1 || frame < project.in) this.go(project.in);
    this.store.set({ playing: true });
    this.#restartClock();
    this.#request = requestAnimationFrame((now) => this.#tick(now));
  }

  pause() {
    cancelAnimationFrame(this.#request);
    this.store.set({ playing: false });
  }

  #restartClock() {
    this.#startTime = performance.now();
    this.#startPosition = this.timeOf(this.store.state.frame);
  }

  /** @param {number} now */
  #tick(now) {
    const { project, playing, frame } = this.store.state;
    if (!project || !playing) return;
    this.#request = requestAnimationFrame((later) => this.#tick(later));
    const due = this.#startPosition + ((now - this.#startTime) / 1000) * this.speed;
    const last = Math.min(project.out, this.#length) - 1;
    let target = frame;
    while (target + 1 < this.#length && this.timeOf(target + 1) <= due) target += 1;
    if (target === frame) {
      if (frame >= last) this.pause();
      return;
    }
    target = Math.min(target, Math.max(last, frame));
    if (!this.isLoaded(target)) {
      target = frame + 1; // late images slow playback down instead of being skipped
      this.#restartClock();
      if (!this.isLoaded(target)) return;
    }
    this.store.set({ frame: target });
  }
}
