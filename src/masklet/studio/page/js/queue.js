/** Runs asynchronous actions one after the other, in the order in which they were requested. */

export class SerialQueue {
  #last = Promise.resolve();
  /** Number of actions that have not finished. */
  length = 0;
  /** Number of actions ever added. */
  added = 0;

  /** @param {(busy: boolean) => void} onChange called when an action is added or finishes */
  constructor(onChange) {
    this.onChange = onChange;
  }

  /**
   * @template T
   * @param {() => Promise<T>} action must not throw
   * @returns {Promise<T>}
   */
  run(action) {
    this.length += 1;
    this.added += 1;
    this.onChange(true);
    const result = this.#last.then(async () => {
      const value = await action();
      this.length -= 1;
      this.onChange(this.length > 0);
      return value;
    });
    this.#last = result.then(() => {});
    return result;
  }
}
