/** Results as far as the page has them: what each lane says of every frame, and the masks near the frame in sight. */

/** @import {FrameResult, ObjectFrame, Presence, TimelineAnswer} from "./types.js" */

/** @typedef {{codes: Uint8Array, prompted: Set<number>}} Lane */

export const UNTRACKED = 0;
/** @type {Record<Presence, number>} */
export const CODES = { present: 1, absent: 2, uncertain: 3 };
const KEPT = 1500;

export class Results {
  /** @type {Map<number, Lane>} */
  lanes = new Map();
  length = 0;
  /** @type {Map<number, {result: FrameResult, generation: number}>} oldest use first */
  #frames = new Map();
  /** @type {Set<number>} */
  #asked = new Set();
  #generation = 0;

  /**
   * @param {(start: number, end: number) => Promise<FrameResult[]>} load
   * @param {() => void} changed
   * @param {(error: unknown) => void} failed
   */
  constructor(load, changed, failed) {
    this.load = load;
    this.changed = changed;
    this.failed = failed;
  }

  /** @param {TimelineAnswer} answer */
  setTimeline(answer) {
    this.length = answer.num_frames;
    this.lanes = new Map();
    for (const { object_id, runs, prompted } of answer.lanes) {
      const lane = this.#lane(object_id);
      for (const [start, end, state] of runs) lane.codes.fill(CODES[state], start, end);
      lane.prompted = new Set(prompted);
    }
    this.changed();
  }

  /** What is kept may be out of date: it stays in sight until it is loaded anew. */
  expire() {
    this.#generation += 1;
    this.#asked.clear();
    this.changed();
  }

  /**
   * The masks of a frame, if they are here.
   *
   * @param {number} frame
   * @returns {FrameResult | undefined}
   */
  at(frame) {
    return this.#frames.get(frame)?.result;
  }

  /**
   * Take new masks of some objects of a frame.
   *
   * @param {FrameResult} result
   * @param {boolean} whole whether these are all objects that have a mask there
   */
  put(result, whole) {
    const old = whole ? {} : this.#frames.get(result.frame)?.result.objects;
    const objects = { ...old, ...result.objects };
    this.#keep({ frame: result.frame, objects });
    for (const [id, seen] of Object.entries(result.objects)) this.#mark(Number(id), result.frame, seen);
    this.changed();
  }

  /**
   * Have the masks around a frame loaded.
   *
   * @param {number} frame
   * @param {number} ahead how many frames after it are wanted soon
   */
  want(frame, ahead) {
    const missing = (/** @type {number} */ at) => {
      if (at < 0 || at >= this.length || this.#asked.has(at) || !this.#tracked(at)) return false;
      return this.#frames.get(at)?.generation !== this.#generation;
    };
    let start = frame;
    const last = Math.min(this.length, frame + 1 + ahead);
    while (start < last && !missing(start)) start += 1;
    if (start >= last || start > frame + ahead / 2) return;
    const end = Math.min(this.length, start + Math.max(8, ahead));
    for (let at = start; at < end; at++) this.#asked.add(at);
    const generation = this.#generation;
    this.load(start, end)
      .then((frames) => {
        if (generation !== this.#generation) return;
        const given = new Map(frames.map((result) => [result.frame, result]));
        for (let at = start; at < end; at++) this.#keep(given.get(at) ?? { frame: at, objects: {} });
        this.changed();
      })
      .catch(this.failed)
      .finally(() => {
        if (generation === this.#generation) for (let at = start; at < end; at++) this.#asked.delete(at);
      });
  }

  /** @param {number} frame */
  #tracked(frame) {
    for (const lane of this.lanes.values()) if (lane.codes[frame] !== UNTRACKED) return true;
    return false;
  }

  /** @param {number} id */
  #lane(id) {
    let lane = this.lanes.get(id);
    if (!lane) {
      lane = { codes: new Uint8Array(this.length), prompted: new Set() };
      this.lanes.set(id, lane);
    }
    return lane;
  }

  /**
   * @param {number} id
   * @param {number} frame
   * @param {ObjectFrame} seen
   */
  #mark(id, frame, seen) {
    const lane = this.#lane(id);
    lane.codes[frame] = CODES[seen.state];
    if (seen.prompted) lane.prompted.add(frame);
  }

  /** @param {FrameResult} result */
  #keep(result) {
    this.#frames.delete(result.frame);
    this.#frames.set(result.frame, { result, generation: this.#generation });
    if (this.#frames.size > KEPT) {
      const [oldest] = this.#frames.keys();
      if (oldest !== undefined) this.#frames.delete(oldest);
    }
  }
}
