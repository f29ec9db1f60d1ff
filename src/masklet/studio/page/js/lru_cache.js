/** Least-recently-used cache with a limit on the total size of its values. */

/**
 * @template K
 * @template V
 */
export class LruCache {
  /** Least recently used first. @type {Map<K, V>} */
  #entries = new Map();
  #total = 0;

  /**
   * @param {number} limit
   * @param {{sizeOf?: (value: V) => number, dispose?: (value: V) => void}} [options] sizeOf: 1 by default;
   *   dispose: called with every value that leaves the cache
   */
  constructor(limit, { sizeOf = () => 1, dispose = () => {} } = {}) {
    this.limit = limit;
    this.sizeOf = sizeOf;
    this.dispose = dispose;
  }

  /** Return a value without marking it as used. @param {K} key */
  peek(key) {
    return this.#entries.get(key);
  }

  /** Return a value and mark it as most recently used. @param {K} key */
  get(key) {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Store a value and evict the least recently used others until the limit holds. @param {K} key @param {V} value */
  set(key, value) {
    this.delete(key);
    this.#entries.set(key, value);
    this.#total += this.sizeOf(value);
    for (const oldest of this.#entries.keys()) {
      if (this.#total <= this.limit || oldest === key) break;
      this.delete(oldest);
    }
    return value;
  }

  /** @param {K} key */
  delete(key) {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#total -= this.sizeOf(value);
    this.dispose(value);
  }

  clear() {
    for (const key of [...this.#entries.keys()]) this.delete(key);
  }

  entries() {
    return this.#entries.entries();
  }
}
