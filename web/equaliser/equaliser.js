// One equaliser: the text of block weights, the numbers it means for one LoRA, and the traffic with the server.
//
// The text is the truth. What it means for a LoRA, and how a drawn curve is written, only the server says; until its
// answer is here, the page shows what was drawn.

import { ServerError } from "../server.js";
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
  /** @type {Record<string, number | null>} drawn and not yet in the text */
  #drawn = {};
  /** @type {Promise<void> | null} */
  #writing = null;

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

  /** @param {string} name the LoRA whose blocks are drawn */
  setLora(name) {
    if (name === this.name) return;
    this.name = name;
    this.profile = null;
    void this.read();
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
    void this.read();
  }

  /** @param {string} part */
  async showPart(part) {
    await this.settled();
    this.part = part;
    await this.read();
  }

  /** Ask the server again what the texts mean. */
  async read() {
    const turn = ++this.#turn;
    this.isReading = this.name !== "";
    this.draw();
    if (!this.name) return;
    try {
      const profile = this.profile ?? await this.server.energy(this.name);
      if (turn !== this.#turn) return;
      this.profile = profile;
      if (!profile.elements.includes(this.part)) this.part = WHOLE;
      const curve = await this.#ask({});
      if (turn !== this.#turn) return;
      this.curve = curve;
      this.problem = null;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.problem = asProblem(error);
    }
    this.isReading = false;
    this.draw();
  }

  /**
   * Set bars. The picture follows at once, the text as soon as the server has written it.
   *
   * @param {Record<string, number | null>} weights by block; null: as nobody had set it
   * @param {boolean} [isGesture] whether more of the same is to come
   */
  set(weights, isGesture = false) {
    if (this.isWired || !this.curve) return;
    this.#turn++;
    this.isReading = false;
    Object.assign(this.#drawn, weights);
    this.draw();
    void this.#write();
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
  async choose(blocks, elements = "") {
    if (this.isWired) return;
    await this.settled();
    const turn = ++this.#turn;
    this.texts = { blocks, elements };
    try {
      const curve = await this.#ask({});
      if (turn === this.#turn) this.#take(curve);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.problem = asProblem(error);
      this.hooks.textsChanged(blocks, elements); // what stands there is the person's, readable or not
      this.draw();
    }
    this.hooks.gestureEnded();
  }

  /** Resolves when the text holds all that was drawn. */
  async settled() {
    while (this.#writing) await this.#writing;
  }

  /** One question at a time; what is drawn meanwhile goes with the next one. */
  #write() {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #writeAll() {
    try {
      while (Object.keys(this.#drawn).length) {
        const sent = { ...this.#drawn };
        const before = this.texts;
        const curve = await this.#ask(sent);
        if (this.texts !== before) return; // another text came from outside meanwhile
        for (const id of Object.keys(sent)) if (this.#drawn[id] === sent[id]) delete this.#drawn[id];
        this.#take(curve);
      }
    } catch (error) {
      this.#drawn = {};
      this.problem = asProblem(error);
      this.draw();
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
    this.texts = { blocks, elements };
    this.hooks.textsChanged(blocks, elements);
    this.draw();
  }
}

/**
 * @param {unknown} error
 * @returns {Problem}
 */
function asProblem(error) {
  if (error instanceof ServerError) return error.problem;
  return { type: "Error", message: error instanceof Error ? error.message : String(error) };
}
