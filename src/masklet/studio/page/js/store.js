/** What the page knows, in one place; whoever shows a part of it is told when that part changes. */

/** @template {object} S */
export class Store {
  /** @type {Set<{keys: (keyof S)[], listener: () => void}>} */
  #watchers = new Set();
  /** @type {Set<keyof S>} */
  #changed = new Set();

  /** @param {S} state */
  constructor(state) {
    /** @readonly @type {Readonly<S>} */
    this.state = state;
  }

  /**
   * Change some values. Watchers run once, after the current task.
   *
   * @param {Partial<S>} patch
   */
  set(patch) {
    for (const key of /** @type {(keyof S)[]} */ (Object.keys(patch))) {
      const value = /** @type {S[typeof key]} */ (patch[key]);
      if (Object.is(this.state[key], value)) continue;
      /** @type {S} */ (this.state)[key] = value;
      if (!this.#changed.size) queueMicrotask(() => this.#tell());
      this.#changed.add(key);
    }
  }

  /**
   * Run a function now and whenever one of these values changed.
   *
   * @param {(keyof S)[]} keys
   * @param {() => void} listener
   */
  watch(keys, listener) {
    this.#watchers.add({ keys, listener });
    listener();
  }

  #tell() {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const { keys, listener } of this.#watchers) {
      if (keys.some((key) => changed.has(key))) listener();
    }
  }
}
