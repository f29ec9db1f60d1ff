/** Images of the frames near the current one, loaded ahead in playback direction. */

import { LruCache } from "./lru_cache.js";

const MAX_CONCURRENT = 4;
const MAX_BYTES = 320e6; // of decoded images

/** @typedef {{bitmap: ImageBitmap, width: number}} CachedImage width: as requested */

export class Frames {
  /** @type {LruCache<number, CachedImage>} */
  #images = new LruCache(MAX_BYTES, {
    sizeOf: ({ bitmap }) => bitmap.width * bitmap.height * 4,
    dispose: ({ bitmap }) => bitmap.close(),
  });
  /** @type {Map<number, AbortController>} */
  #loading = new Map();
  /** @type {number[]} */
  #queue = [];
  #width = 0;

  /**
   * @param {(frame: number, width: number) => string} urlOf @param {() => void} onLoad
   * @param {(error: unknown) => void} onError
   */
  constructor(urlOf, onLoad, onError) {
    this.urlOf = urlOf;
    this.onLoad = onLoad;
    this.onError = onError;
  }

  /**
   * The image of a frame, if it is cached, possibly at another width than requested last.
   *
   * @param {number} frame
   * @returns {ImageBitmap | undefined}
   */
  at(frame) {
    return this.#images.peek(frame)?.bitmap;
  }

  /**
   * Load frames in this order, and abort earlier requests for frames that are not in the list.
   *
   * @param {number[]} frames the current one first
   * @param {number} width of the images in pixels
   * @param {number} height
   */
  prefetch(frames, width, height) {
    this.#width = width;
    const wanted = frames.slice(0, Math.max(1, Math.floor((0.8 * MAX_BYTES) / (4 * width * height))));
    const missing = wanted.filter((frame) => (this.#images.peek(frame)?.width ?? 0) < width);
    for (const [frame, loading] of this.#loading) {
      if (missing.includes(frame)) continue;
      this.#loading.delete(frame);
      loading.abort();
    }
    for (const frame of wanted.toReversed()) this.#images.get(frame);
    this.#queue = missing.filter((frame) => !this.#loading.has(frame));
    this.#loadNext();
  }

  clear() {
    for (const loading of this.#loading.values()) loading.abort();
    this.#loading.clear();
    this.#images.clear();
    this.#queue = [];
  }

  #loadNext() {
    while (this.#queue.length && this.#loading.size < MAX_CONCURRENT) {
      const frame = /** @type {number} */ (this.#queue.shift());
      const loading = new AbortController();
      this.#loading.set(frame, loading);
      this.#load(frame, loading.signal)
        .catch((error) => this.#loading.get(frame) === loading && this.onError(error))
        .finally(() => {
          if (this.#loading.get(frame) === loading) this.#loading.delete(frame);
          this.#loadNext();
        });
    }
  }

  /** @param {number} frame @param {AbortSignal} signal */
  async #load(frame, signal) {
    const width = this.#width;
    const response = await fetch(this.urlOf(frame, width), { signal });
    if (!response.ok) {
      const answer = await response.json().catch(() => null);
      throw new Error(answer?.error?.message ?? `frame ${frame} could not be loaded`);
    }
    const bitmap = await createImageBitmap(await response.blob());
    if (signal.aborted) return bitmap.close();
    this.#images.set(frame, { bitmap, width });
    this.onLoad();
  }
}
