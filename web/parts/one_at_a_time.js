// Questions to the server that must not overtake each other: one at a time, and what comes up meanwhile goes with the next.

export class OneAtATime {
  /** @param {() => Promise<void>} ask asks about all there is to ask about at that moment; fails only by a mistake of ours */
  constructor(ask) {
    this.ask = ask;
  }

  #isWanted = false;
  /** @type {Promise<void> | null} */
  #asking = null;

  /**
   * Ask, now or as soon as the question under way is answered.
   *
   * @returns {Promise<void>} until there is nothing left to ask
   */
  run() {
    this.#isWanted = true;
    this.#asking ??= this.#askAll();
    return this.#asking;
  }

  async #askAll() {
    try {
      while (this.#isWanted) {
        this.#isWanted = false;
        await this.ask();
      }
    } finally {
      this.#asking = null; // in one breath with the last look at what is wanted
    }
  }
}
