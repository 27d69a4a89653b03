// The cards of files by their names, asked for as they come into sight.

import { OneAtATime } from "../parts/one_at_a_time.js";
import { newEntry } from "../rack/rows.js";
import { spelled } from "./tags.mjs";

/** @typedef {import("../server.js").Card} Card @typedef {import("../server.js").Server} Server */

export class Cards {
  /** @param {Server} server @param {() => void} changed */
  constructor(server, changed) {
    this.server = server;
    this.changed = changed;
    /** @type {Map<string, Card | null>} null for one that is asked for, or is not here */
    this.known = new Map();
    /** @type {string[]} */
    this.wanted = [];
    this.asking = new OneAtATime(() => this.#ask());
  }

  /** @param {string[]} names as the host lists them */
  want(names) {
    const unknown = names.filter((name) => !this.known.has(name));
    if (!unknown.length) return;
    for (const name of unknown) this.known.set(name, null);
    this.wanted.push(...unknown);
    void this.asking.run();
  }

  /** @param {string} name */
  of(name) {
    return this.known.get(name) ?? null;
  }

  /** @param {string} name as a tag spells it */
  called(name) {
    return this.known.get(name) ?? this.known.get(`${name}.safetensors`) ?? null;
  }

  /** @param {Card} card */
  keep(card) {
    this.known.set(card.name, card);
  }

  forget() {
    this.known.clear();
  }

  async #ask() {
    const names = this.wanted.splice(0);
    if (!names.length) return;
    try {
      const found = await this.server.files(names.map((name) => newEntry(spelled(name) && name, null, null)));
      found.forEach(({ card }) => card && this.keep(card));
    } catch {
      for (const name of names) this.known.delete(name);
    }
    this.changed();
  }
}
