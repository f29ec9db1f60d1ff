/** Tracking results held by the page: the state of every object on every frame, and the masks near the current frame. */

/** @import {FrameResult, MasksAnswer, Presence, TimelineAnswer} from "./types.js" */

import { LruCache } from "./lru_cache.js";

/**
 * @typedef {{codes: Uint8Array, prompted: Set<number>}} Lane one code and possibly a prompt for each frame
 * @typedef {{result: FrameResult, revision: number, order: number, stale: boolean}} CachedFrame order: of arrival
 */

export const UNTRACKED = 0;
/** @type {Record<Presence, number>} */
export const CODES = { present: 1, absent: 2, uncertain: 3 };
const MAX_FRAMES = 1500;

/** Whether a lane has results on frames without prompts. @param {Lane} lane */
export function isTracked({ codes, prompted }) {
  return codes.some((code, frame) => code !== UNTRACKED && !prompted.has(frame));
}

export class Results {
  /** By object id. @type {Map<number, Lane>} */
  lanes = new Map();
  numFrames = 0;
  /** @type {LruCache<number, CachedFrame>} */
  #frames = new LruCache(MAX_FRAMES);
  /** Frames that have been requested. @type {Set<number>} */
  #requested = new Set();
  #order = 0;

  /**
   * @param {(start: number, end: number) => Promise<MasksAnswer | null>} load null: it failed, and the user knows
   * @param {() => void} onChange
   */
  constructor(load, onChange) {
    this.load = load;
    this.onChange = onChange;
  }

  /** Whether any object has been tracked. */
  get hasTracked() {
    return [...this.lanes.values()].some(isTracked);
  }

  /** @param {TimelineAnswer} answer */
  setTimeline({ num_frames, lanes }) {
    this.numFrames = num_frames;
    this.lanes = new Map();
    for (const { object_id, runs, prompted } of lanes) {
      const lane = this.#lane(object_id);
      for (const [start, end, state] of runs) lane.codes.fill(CODES[state], start, end);
      lane.prompted = new Set(prompted);
    }
    this.onChange();
  }

  clear() {
    this.#frames.clear();
    this.#requested = new Set();
    this.setTimeline({ revision: 0, num_frames: 0, lanes: [], review: [] });
  }

  /** Mark the masks of frames as out of date; they stay visible until they have been reloaded. */
  expire(first = 0, last = Infinity) {
    this.#requested = new Set();
    for (const [frame, entry] of this.#frames.entries()) if (frame >= first && frame <= last) entry.stale = true;
    this.onChange();
  }

  /** The masks of a frame, if they are cached. @param {number} frame @returns {FrameResult | undefined} */
  at(frame) {
    return this.#frames.peek(frame)?.result;
  }

  /**
   * Take over all masks of a frame at a revision, unless newer ones are cached.
   *
   * @param {FrameResult} result @param {number} revision
   * @returns {boolean} whether they were taken over
   */
  put(result, revision) {
    const cached = this.#frames.peek(result.frame);
    if (cached && !cached.stale && cached.revision > revision) return false;
    for (const [id, lane] of this.lanes) {
      if (result.objects[id]) continue;
      lane.codes[result.frame] = UNTRACKED;
      lane.prompted.delete(result.frame);
    }
    this.#take(result, revision);
    return true;
  }

  /**
   * Take over the masks of the objects that are being tracked, and keep those of the others.
   *
   * @param {FrameResult} result @param {number} revision
   */
  merge(result, revision) {
    this.#take({ ...result, objects: { ...this.at(result.frame)?.objects, ...result.objects } }, revision);
  }

  /**
   * Load the masks at and after a frame that are missing or out of date.
   *
   * @param {number} frame @param {number} ahead number of frames that are needed soon
   */
  async prefetch(frame, ahead) {
    const isMissing = (/** @type {number} */ at) =>
      at >= 0 && !this.#requested.has(at) && this.#hasResult(at) && (this.#frames.peek(at)?.stale ?? true);
    let start = frame;
    const last = Math.min(this.numFrames, frame + 1 + ahead);
    while (start < last && !isMissing(start)) start += 1;
    if (start >= last || start > frame + ahead / 2) return;
    const end = Math.min(this.numFrames, start + Math.max(8, ahead));
    const requested = this.#requested;
    for (let at = start; at < end; at++) requested.add(at);
    const order = this.#order;
    const answer = await this.load(start, end);
    for (let at = start; at < end; at++) requested.delete(at);
    if (!answer || requested !== this.#requested) return; // out of date already
    const loaded = new Map(answer.frames.map((result) => [result.frame, result]));
    for (let at = start; at < end; at++) {
      const cached = this.#frames.peek(at);
      if (cached && !cached.stale && cached.order > order) continue; // arrived after this request was sent
      this.#cache(loaded.get(at) ?? { frame: at, objects: {} }, answer.revision);
    }
    this.onChange();
  }

  /** @param {number} frame */
  #hasResult(frame) {
    return [...this.lanes.values()].some(({ codes }) => (codes[frame] ?? UNTRACKED) !== UNTRACKED);
  }

  /** @param {number} id */
  #lane(id) {
    const lane = this.lanes.get(id) ?? { codes: new Uint8Array(this.numFrames), prompted: new Set() };
    this.lanes.set(id, lane);
    return lane;
  }

  /** @param {FrameResult} result @param {number} revision */
  #take(result, revision) {
    this.#cache(result, revision);
    for (const [id, { state, prompted }] of Object.entries(result.objects)) {
      const lane = this.#lane(Number(id));
      lane.codes[result.frame] = CODES[state];
      if (prompted) lane.prompted.add(result.frame);
      else lane.prompted.delete(result.frame);
    }
    this.onChange();
  }

  /** @param {FrameResult} result @param {number} revision */
  #cache(result, revision) {
    this.#order += 1;
    this.#frames.set(result.frame, { result, revision, order: this.#order, stale: false });
  }
}
