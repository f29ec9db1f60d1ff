/** Moves through the frames: steps, jumps and playback at the speed of the clip. */

export class Player {
  #playing = false;
  #started = 0;
  #from = 0;
  #request = 0;
  /** Seconds of every frame, where the clip has a clock. @type {number[]} */
  times = [];
  length = 1;
  fps = 25;
  speed = 1;
  loop = false;

  /**
   * @param {{show: (frame: number) => void, ready: (frame: number) => boolean, playing: (on: boolean) => void,
   *   range: () => [number, number]}} handlers ready: whether the picture of a frame is here
   */
  constructor(handlers) {
    this.handlers = handlers;
    this.frame = 0;
  }

  get playing() {
    return this.#playing;
  }

  /**
   * @param {number} frame
   * @returns {number} seconds from the beginning
   */
  timeOf(frame) {
    return this.times.length ? (this.times[frame] ?? 0) - (this.times[0] ?? 0) : frame / this.fps;
  }

  /** @param {number} frame */
  go(frame) {
    this.frame = Math.min(this.length - 1, Math.max(0, Math.round(frame)));
    if (this.#playing) this.#mark();
    this.handlers.show(this.frame);
  }

  /** @param {number} frames */
  step(frames) {
    this.pause();
    this.go(this.frame + frames);
  }

  toggle() {
    if (this.#playing) this.pause();
    else this.play();
  }

  play() {
    if (this.#playing || this.length < 2) return;
    const [start, end] = this.handlers.range();
    if (this.frame >= end - 1 || this.frame < start) this.go(start);
    this.#playing = true;
    this.handlers.playing(true);
    this.#mark();
    this.#request = requestAnimationFrame((now) => this.#tick(now));
  }

  pause() {
    if (!this.#playing) return;
    this.#playing = false;
    cancelAnimationFrame(this.#request);
    this.handlers.playing(false);
  }

  #mark() {
    this.#started = performance.now();
    this.#from = this.timeOf(this.frame);
  }

  /** @param {number} now */
  #tick(now) {
    if (!this.#playing) return;
    this.#request = requestAnimationFrame((later) => this.#tick(later));
    const due = this.#from + ((now - this.#started) / 1000) * this.speed;
    const [, end] = this.handlers.range();
    let target = this.frame;
    while (target + 1 < this.length && this.timeOf(target + 1) <= due) target += 1;
    if (target === this.frame) {
      if (this.frame >= Math.min(end, this.length) - 1) this.#finish();
      return;
    }
    target = Math.min(target, Math.max(end, this.frame + 1) - 1, this.length - 1);
    if (!this.handlers.ready(target)) {
      target = this.frame + 1; // late pictures slow playback down, no frame is skipped for them
      this.#mark();
      if (!this.handlers.ready(target)) return;
    }
    if (target === this.frame) return;
    this.frame = target;
    this.handlers.show(target);
  }

  #finish() {
    const [start] = this.handlers.range();
    if (this.loop) this.go(start);
    else this.pause();
  }
}
