/** The state of the page in one place; listeners run when the values they depend on change. */

/** @template {object} S */
export class Store {
  /** @type {Set<{keys: (keyof S)[], listener: () => void}>} */
  #listeners = new Set();
  /** @type {Set<keyof S>} */
  #changed = new Set();

  /** @param {S} state */
  constructor(state) {
    /** @readonly @type {Readonly<S>} */
    this.state = state;
  }

  /** Change some values. Listeners run once, after the current task. @param {Partial<S>} patch */
  set(patch) {
    for (const key of /** @type {(keyof S)[]} */ (Object.keys(patch))) {
      const value = /** @type {S[typeof key]} */ (patch[key]);
      if (Object.is(this.state[key], value)) continue;
      /** @type {S} */ (this.state)[key] = value;
      if (!this.#changed.size) queueMicrotask(() => this.#notify());
      this.#changed.add(key);
    }
  }

  /**
   * Run a function now and whenever one of these values changes.
   *
   * @param {(keyof S)[]} keys @param {() => void} listener
   */
  watch(keys, listener) {
    this.#listeners.add({ keys, listener });
    listener();
  }

  #notify() {
    const changed = this.#changed;
    this.#changed = new Set();
    for (const { keys, listener } of this.#listeners) {
      if (keys.some((key) => changed.has(key))) listener();
    }
  }
}
