// What a search found, asked for in pages as they come into sight: the list may be thousands long.

import { problemOf } from "../server.js";

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
    /** @type {Map<number, Card[] | null>} page → its cards, null while they are under way or could not be had */
    this.pages = new Map();
    this.wanted = this.pages; // those of the last search, in place of the ones before once it is answered
  }

  /** @param {string} query */
  search(query) {
    this.query = query;
    this.isAnswered = false;
    this.wanted = new Map();
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
    if (this.isAnswered && !this.pages.has(page)) void this.#fetch(page);
    return this.pages.get(page)?.[place % PAGE] ?? null;
  }

  /** Ask anew for what could not be had. */
  askAgain() {
    if (!this.error) return;
    this.error = "";
    for (const [page, cards] of this.wanted) if (!cards) void this.#fetch(page);
  }

  /** @param {number} page */
  async #fetch(page) {
    const { wanted, query } = this;
    wanted.set(page, null);
    try {
      const answer = await this.server.loras(query, page * PAGE, PAGE);
      if (wanted !== this.wanted) return; // an answer to an older search
      wanted.set(page, answer.cards);
      this.pages = wanted;
      this.total = answer.total;
      this.isAnswered = true;
      this.error = "";
    } catch (error) {
      if (wanted !== this.wanted) return;
      this.error = problemOf(error).message;
    }
    this.changed();
  }
}
