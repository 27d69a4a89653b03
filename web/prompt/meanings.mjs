// What the tags of prompts mean, as the server says. A tag means the same wherever it stands, so each is asked about once.

import { OneAtATime } from "../parts/one_at_a_time.js";
import { askTags } from "./asking.mjs";

/** @typedef {import("../server.js").Server} Server @typedef {import("./asking.mjs").TagMeaning} TagMeaning */

const PAUSE_MS = 90; // a tag that is being typed is another one with each key
const AT_ONCE = 500;
const MOST = 5_000; // that are kept
const SILENCE_MS = 3_000;
const UNFINISHED = "SearchUnfinished"; // the server still reads the headers of new files

export class Meanings {
  /** @param {Server} server @param {() => void} changed */
  constructor(server, changed) {
    this.server = server;
    this.changed = changed;
    this.isSilent = false;
    this.isPatient = false; // whether asking again at once would bring nothing new
    /** @type {Map<string, TagMeaning>} */
    this.known = new Map();
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.pause = 0;
    this.turn = 0;
    this.asking = new OneAtATime(() => this.#ask());
  }

  /**
   * What a tag means, as far as that is known; what is not is asked for.
   *
   * @param {string} tag
   * @returns {TagMeaning | null}
   */
  of(tag) {
    const known = this.known.get(tag);
    if (!known && !this.wanted.has(tag)) this.#want(tag);
    return known ?? null;
  }

  /** @param {string[]} tags @returns {Promise<void>} resolves when they are known, or cannot be */
  async settled(tags) {
    for (const tag of tags) this.of(tag);
    if (tags.some((tag) => !this.known.has(tag))) await this.asking.run();
  }

  /**
   * Take the meaning of a tag that was changed by its numbers alone, until the server has said it.
   *
   * @param {string} tag
   * @param {TagMeaning} meaning
   */
  suppose(tag, meaning) {
    if (this.known.has(tag)) return;
    this.known.set(tag, meaning);
  }

  /** Ask anew about everything, as when files came or went. */
  forget() {
    this.turn++;
    this.known.clear();
    this.wanted.clear();
    this.changed();
  }

  /** @param {string} tag */
  #want(tag) {
    this.wanted.add(tag);
    clearTimeout(this.pause);
    this.pause = window.setTimeout(() => void this.asking.run(), this.isPatient ? SILENCE_MS : PAUSE_MS);
  }

  async #ask() {
    clearTimeout(this.pause);
    const tags = [...this.wanted].slice(-AT_ONCE);
    if (!tags.length) return;
    const { turn } = this;
    try {
      const meanings = await askTags(this.server, tags);
      if (turn !== this.turn) return this.changed();
      tags.forEach((tag, place) => this.#keep(tag, meanings[place]));
      this.isSilent = false;
      this.isPatient = meanings.some(isUnfinished);
      if (this.isPatient) void this.server.loras("", 0, 1); // which has the server read them all
      if (this.wanted.size) void this.asking.run();
    } catch {
      this.isSilent = this.isPatient = true;
      this.wanted.clear(); // asked for again when they are drawn next
    }
    this.changed();
  }

  /** @param {string} tag @param {TagMeaning} meaning */
  #keep(tag, meaning) {
    this.wanted.delete(tag);
    if (isUnfinished(meaning)) return;
    this.known.set(tag, meaning);
    if (this.known.size > MOST) this.known.delete(this.known.keys().next().value ?? "");
  }
}

/** @param {TagMeaning} meaning */
const isUnfinished = (meaning) => meaning.problem?.type === UNFINISHED;
