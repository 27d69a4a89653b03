// One equaliser: the text of block weights, the numbers it means for one LoRA, and the traffic with the server.
//
// The text is the truth. What it means for a LoRA, and how a drawn curve is written, only the server says; until its
// answer is here, the page shows what was drawn.

import { OneAtATime } from "../parts/one_at_a_time.js";
import { problemOf, SILENT } from "../server.js";
import { NEUTRAL } from "./curve.js";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").Profile} Profile
 * @typedef {import("../server.js").Curve} Curve
 * @typedef {import("../server.js").Problem} Problem
 * @typedef {import("./curve.js").Weights} Weights
 *
 * @typedef {object} Hooks
 * @property {(blocks: string, elements: string) => void} textsChanged
 * @property {() => void} gestureEnded a change is whole now: the moment for an undo step
 */

/** The part of a block its bar stands for: an element, or the whole block. */
export const WHOLE = "";

export class Equaliser {
  /**
   * @param {Server} server
   * @param {Hooks} hooks
   */
  constructor(server, hooks) {
    this.server = server;
    this.hooks = hooks;
    this.name = "";
    this.texts = { blocks: "", elements: "" };
    /** @type {Profile | null} the LoRA's blocks and its energy in each */
    this.profile = null;
    /** @type {Curve | null} what the texts mean for this LoRA */
    this.curve = null;
    this.part = WHOLE;
    /** @type {Problem | null} why there is no curve */
    this.problem = null;
    this.isReading = false;
    this.isWired = false;
    /** @type {() => void} */
    this.draw = () => {};
  }

  #turn = 0;
  /** @type {Promise<Profile> | null} one question a LoRA, however often its text changes meanwhile */
  #measuring = null;
  /** @type {Record<string, number | null>} drawn and not yet in the text */
  #drawn = {};
  #writing = new OneAtATime(() => this.#write());
  /** Whether the texts are as a person gave them, still to be written canonically and handed on. */
  #isChosen = false;
  #choosing = Promise.resolve();

  /** Both texts as one, as a node's input holds them. */
  get text() {
    return [this.texts.blocks, this.texts.elements].filter(Boolean).join(" ");
  }

  get blocks() {
    return this.profile?.blocks ?? [];
  }

  /** @returns {Weights} the height of every bar */
  get weights() {
    const known = this.curve?.weights ?? {};
    return Object.fromEntries(this.blocks.map(({ id }) => {
      const drawn = this.#drawn[id];
      return [id, drawn ?? (drawn === null ? this.#reset(id) : known[id] ?? NEUTRAL)];
    }));
  }

  /** @param {string} id @returns {boolean} whether an element has a weight of its own in a block */
  isOwn(id) {
    const drawn = this.#drawn[id];
    return drawn === undefined ? this.curve?.own.includes(id) ?? false : drawn !== null;
  }

  /** @param {string} id @returns {number} what a bar falls back to: an element's to its block's */
  #reset(id) {
    return this.part === WHOLE ? NEUTRAL : this.curve?.whole[id] ?? NEUTRAL;
  }

  get #isDrawn() {
    return Object.keys(this.#drawn).length > 0;
  }

  /** @param {string} name the LoRA whose blocks are drawn */
  async setLora(name) {
    if (this.#isDrawn) await this.settled(); // what was drawn is for the blocks of the last one
    if (name === this.name) return;
    this.name = name;
    this.profile = this.#measuring = null;
    this.#drawn = {};
    await this.read();
  }

  /** @param {string} text both texts as one, from outside */
  setText(text) {
    this.setTexts(text);
  }

  /**
   * Take texts from outside: a workflow, an undo, a wire.
   *
   * @param {string} blocks
   * @param {string} elements
   */
  setTexts(blocks, elements = "") {
    if (blocks === this.texts.blocks && elements === this.texts.elements) return;
    if (!elements && blocks === this.text) return; // the same, as one text
    this.texts = { blocks, elements };
    this.#drawn = {};
    this.#isChosen = false;
    void this.read();
  }

  /** @param {string} part */
  async showPart(part) {
    await this.settled();
    if (this.#isDrawn) return this.draw(); // what could not be written is of the part before
    this.part = part;
    return this.read();
  }

  /** Ask the server again what the texts mean. */
  async read() {
    const turn = ++this.#turn;
    this.isReading = this.name !== "";
    this.draw();
    if (!this.name) return this.#handOn();
    try {
      this.#measuring ??= this.server.energy(this.name);
      const profile = await this.#measuring;
      if (turn !== this.#turn) return undefined;
      this.profile = profile;
      if (!profile.elements.includes(this.part)) this.part = WHOLE;
      const curve = await this.#ask({});
      if (turn !== this.#turn) return undefined;
      this.isReading = false;
      return this.#take(curve);
    } catch (error) {
      if (turn !== this.#turn) return undefined;
      if (!this.profile) this.#measuring = null; // to be asked for again
      this.isReading = false;
      return this.#fail(error);
    }
  }

  /**
   * Set bars. The picture follows at once, the text as soon as the server has written it.
   *
   * @param {Record<string, number | null>} weights by block; null: as nobody had set it
   * @param {boolean} [isGesture] whether more of the same is to come
   */
  set(weights, isGesture = false) {
    if (this.isWired || !this.profile || !this.curve) return;
    this.#turn++;
    this.isReading = false;
    Object.assign(this.#drawn, weights);
    this.draw();
    void this.#writing.run();
    if (!isGesture) this.endGesture();
  }

  endGesture() {
    void this.settled().then(() => this.hooks.gestureEnded());
  }

  /**
   * Take a text a person wrote or chose, written canonically if it can be read.
   *
   * @param {string} blocks
   * @param {string} [elements]
   */
  choose(blocks, elements = "") {
    if (!this.isWired) this.#choosing = this.#choose(this.settled(), { blocks, elements });
    return this.#choosing;
  }

  /** @param {Promise<void>} before @param {{blocks: string, elements: string}} texts */
  async #choose(before, texts) {
    await before;
    this.texts = texts;
    this.#drawn = {};
    this.#isChosen = true;
    await this.read();
    this.hooks.gestureEnded();
  }

  /** Resolves when the text holds all that was drawn or chosen; with the server silent, when that is known. */
  async settled() {
    await this.#choosing;
    await this.#writing.run();
  }

  /** Ask again what the server did not answer to. */
  retry() {
    if (this.problem?.type !== SILENT) return;
    if (this.#isDrawn) this.endGesture();
    else void this.read();
  }

  async #write() {
    if (!this.#isDrawn) return;
    const sent = { ...this.#drawn };
    const before = this.texts;
    try {
      const curve = await this.#ask(sent);
      if (this.texts !== before) return; // another text came from outside meanwhile
      for (const id of Object.keys(sent)) if (this.#drawn[id] === sent[id]) delete this.#drawn[id];
      this.#isChosen = true;
      this.#take(curve);
    } catch (error) {
      if (this.texts === before) this.#fail(error);
    }
  }

  /** @param {Record<string, number | null>} weights */
  #ask(weights) {
    return this.server.blocks({ name: this.name, ...this.texts, part: this.part, weights });
  }

  /** @param {Curve} curve */
  #take(curve) {
    const { blocks, elements } = curve;
    this.curve = curve;
    this.problem = null;
    if (this.#isChosen) this.texts = { blocks, elements };
    this.#handOn();
    this.draw();
  }

  /** @param {unknown} error */
  #fail(error) {
    this.problem = problemOf(error);
    if (this.problem.type !== SILENT) this.#drawn = {};
    this.#handOn(); // what stands there is the person's, readable or not
    this.draw();
  }

  /** Tell of the texts that were chosen or drawn here; those from outside are known there. */
  #handOn() {
    if (this.#isChosen) this.hooks.textsChanged(this.texts.blocks, this.texts.elements);
    this.#isChosen = false;
  }
}
