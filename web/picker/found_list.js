// What a search found, asked for in pages as they come into sight: the list may be thousands long.

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").Card} Card
 */

const PAGE = 40;

export class FoundList {
  /**
   * @param {Server} server
   * @param {() => void} changed
   */
  constructor(server, changed) {
    this.server = server;
    this.changed = changed;
    this.query = "";
    this.total = 0;
    this.isAnswered = false; // to this search
    this.error = "";
    /** @type {Map<number, Card[] | null>} page → its cards, null while they are under way */
    this.pages = new Map();
  }

  /** @param {string} query */
  search(query) {
    this.query = query;
    this.isAnswered = false;
    this.pages = new Map();
    void this.#fetch(0);
  }

  /**
   * The card at a place, if it is here already; asks for it otherwise.
   *
   * @param {number} place
   * @returns {Card | null}
   */
  at(place) {
    const page = Math.floor(place / PAGE);
    if (!this.pages.has(page)) void this.#fetch(page);
    return this.pages.get(page)?.[place % PAGE] ?? null;
  }

  /** @param {number} page */
  async #fetch(page) {
    const { pages, query } = this;
    pages.set(page, null);
    try {
      const answer = await this.server.loras(query, page * PAGE, PAGE);
      if (pages !== this.pages) return; // an answer to an older search
      pages.set(page, answer.cards);
      this.total = answer.total;
      this.error = "";
    } catch (error) {
      if (pages !== this.pages) return;
      pages.delete(page);
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.isAnswered = true;
    this.changed();
  }
}
