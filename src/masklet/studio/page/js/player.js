/** The current frame: steps, jumps, and playback at the frame rate of the clip. */

export class Player {
  #startTime = 0;
  #startPosition = 0;
  #request = 0;
  /** Presentation time of every frame in seconds, empty if the media has none. @type {number[]} */
  times = [];
  playing = false;
  frame = 0;
  length = 1;
  fps = 25;
  speed = 1;

  /**
   * @param {{show: (frame: number) => void, isLoaded: (frame: number) => boolean, onPlaying: (playing: boolean) => void,
   *   range: () => [number, number]}} handlers isLoaded: whether the image of a frame is cached
   */
  constructor(handlers) {
    this.handlers = handlers;
  }

  /** @param {number} frame @returns {number} seconds since the first frame */
  timeOf(frame) {
    return this.times.length ? (this.times[frame] ?? 0) - (this.times[0] ?? 0) : frame / this.fps;
  }

  /** @param {number} frame */
  go(frame) {
    this.frame = Math.min(this.length - 1, Math.max(0, Math.round(frame)));
    if (this.playing) this.#restartClock();
    this.handlers.show(this.frame);
  }

  /** @param {number} frames */
  step(frames) {
    this.pause();
    this.go(this.frame + frames);
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.playing || this.length < 2) return;
    const [start, end] = this.handlers.range();
    if (this.frame >= end - 1 || this.frame < start) this.go(start);
    this.playing = true;
    this.handlers.onPlaying(true);
    this.#restartClock();
    this.#request = requestAnimationFrame((now) => this.#tick(now));
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    cancelAnimationFrame(this.#request);
    this.handlers.onPlaying(false);
  }

  #restartClock() {
    this.#startTime = performance.now();
    this.#startPosition = this.timeOf(this.frame);
  }

  /** @param {number} now */
  #tick(now) {
    if (!this.playing) return;
    this.#request = requestAnimationFrame((later) => this.#tick(later));
    const due = this.#startPosition + ((now - this.#startTime) / 1000) * this.speed;
    const [, end] = this.handlers.range();
    let target = this.frame;
    while (target + 1 < this.length && this.timeOf(target + 1) <= due) target += 1;
    if (target === this.frame) {
      if (this.frame >= Math.min(end, this.length) - 1) this.pause();
      return;
    }
    target = Math.min(target, Math.max(end, this.frame + 1) - 1, this.length - 1);
    if (!this.handlers.isLoaded(target)) {
      target = this.frame + 1; // late images slow playback down instead of being skipped
      this.#restartClock();
      if (!this.handlers.isLoaded(target)) return;
    }
    if (target === this.frame) return;
    this.frame = target;
    this.handlers.show(target);
  }
}
