/** Pictures of the frames near the one in sight, loaded ahead in the direction of travel. */

const AT_ONCE = 4;
const BUDGET = 320e6; // bytes of decoded pictures

/** @typedef {{bitmap: ImageBitmap, width: number}} Kept */

export class Frames {
  /** @type {Map<number, Kept>} oldest use first */
  #kept = new Map();
  /** @type {Map<number, AbortController>} */
  #loading = new Map();
  /** @type {number[]} */
  #queue = [];
  #width = 0;
  #bytes = 0;

  /**
   * @param {(frame: number, width: number) => string} address
   * @param {(frame: number) => void} arrived
   * @param {(error: unknown) => void} failed
   */
  constructor(address, arrived, failed) {
    this.address = address;
    this.arrived = arrived;
    this.failed = failed;
  }

  /**
   * The picture of a frame, if it is here; perhaps of another width than asked for last.
   *
   * @param {number} frame
   * @returns {ImageBitmap | undefined}
   */
  at(frame) {
    return this.#kept.get(frame)?.bitmap;
  }

  /**
   * Have these frames loaded in this order; what was wanted before and is not in the list is given up.
   *
   * @param {number[]} frames the one in sight first
   * @param {number} width of the pictures in pixels
   * @param {number} height
   */
  want(frames, width, height) {
    this.#width = width;
    const wanted = frames.slice(0, Math.max(1, Math.floor((0.8 * BUDGET) / (4 * width * height))));
    const missing = wanted.filter((frame) => (this.#kept.get(frame)?.width ?? 0) < width);
    for (const [frame, loading] of this.#loading) {
      if (!missing.includes(frame)) {
        this.#loading.delete(frame);
        loading.abort();
      }
    }
    for (const frame of wanted.toReversed()) this.#touch(frame);
    this.#queue = missing.filter((frame) => !this.#loading.has(frame));
    this.#pump();
  }

  clear() {
    for (const loading of this.#loading.values()) loading.abort();
    for (const { bitmap } of this.#kept.values()) bitmap.close();
    this.#loading.clear();
    this.#kept.clear();
    this.#queue = [];
    this.#bytes = 0;
  }

  #pump() {
    while (this.#queue.length && this.#loading.size < AT_ONCE) {
      const frame = /** @type {number} */ (this.#queue.shift());
      const loading = new AbortController();
      this.#loading.set(frame, loading);
      this.#load(frame, loading.signal)
        .catch((error) => this.#loading.get(frame) === loading && this.failed(error))
        .finally(() => {
          if (this.#loading.get(frame) === loading) this.#loading.delete(frame);
          this.#pump();
        });
    }
  }

  /**
   * @param {number} frame
   * @param {AbortSignal} signal
   */
  async #load(frame, signal) {
    const width = this.#width;
    const response = await fetch(this.address(frame, width), { signal });
    if (!response.ok) {
      const answer = await response.json().catch(() => null);
      throw new Error(answer?.error?.message ?? `frame ${frame} could not be loaded`);
    }
    const bitmap = await createImageBitmap(await response.blob());
    if (signal.aborted) return bitmap.close();
    this.#forget(frame);
    this.#kept.set(frame, { bitmap, width });
    this.#bytes += bitmap.width * bitmap.height * 4;
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= BUDGET || oldest === frame) break;
      this.#forget(oldest);
    }
    this.arrived(frame);
  }

  /** @param {number} frame */
  #touch(frame) {
    const kept = this.#kept.get(frame);
    if (!kept) return;
    this.#kept.delete(frame);
    this.#kept.set(frame, kept);
  }

  /** @param {number} frame */
  #forget(frame) {
    const kept = this.#kept.get(frame);
    if (!kept) return;
    this.#kept.delete(frame);
    this.#bytes -= kept.bitmap.width * kept.bitmap.height * 4;
    kept.bitmap.close();
  }
}
