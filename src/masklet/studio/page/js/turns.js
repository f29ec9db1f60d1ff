/** Changes of a project one after the other, in the order in which they were asked for. */

export class Turns {
  #last = Promise.resolve();
  /** How many are under way. */
  waiting = 0;
  /** How many were ever begun. */
  begun = 0;

  /** @param {(busy: boolean) => void} told called when a turn begins or ends */
  constructor(told) {
    this.told = told;
  }

  /**
   * @template T
   * @param {() => Promise<T>} action must not throw
   * @returns {Promise<T>}
   */
  take(action) {
    this.waiting += 1;
    this.begun += 1;
    this.told(true);
    const turn = this.#last.then(async () => {
      const result = await action();
      this.waiting -= 1;
      this.told(this.waiting > 0);
      return result;
    });
    this.#last = turn.then(() => {});
    return turn;
  }
}
