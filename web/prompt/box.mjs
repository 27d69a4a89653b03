// One prompt's box: the host's textarea, the colours above it, and what its keys do on a tag.

import { Ink } from "./ink.mjs";
import { tagAt, tagsIn } from "./lexer.mjs";
import { withStrength } from "./strengths.mjs";
import { isPutting, put } from "./typing.mjs";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 * @typedef {import("./lexer.mjs").Tag} Tag
 * @typedef {import("./ink.mjs").Mark} Mark
 * @typedef {import("./meanings.mjs").Meanings} Meanings
 * @typedef {import("./asking.mjs").TagMeaning} TagMeaning
 *
 * @typedef {object} Owner whose value the box shows
 * @property {LGraphNode} node
 * @property {Widget} widget
 *
 * @typedef {object} Hooks
 * @property {() => void} caretMoved
 * @property {() => void} typed by a person
 * @property {() => void} drawn
 * @property {(place: HTMLElement) => void} settled in another place
 * @property {(tag: Tag | null) => void} pointed the tag under the pointer is another one
 * @property {(event: KeyboardEvent) => boolean} key whether a helper that is open took it
 */

const STEP = 0.05;
const MOST_TAGS = 1_000; // that are coloured
const MOST_LETTERS = 100_000;

export class Box {
  /**
   * @param {HTMLTextAreaElement} area
   * @param {() => Owner | null} owner asked each time: an undo puts another node behind the same box
   * @param {Meanings} meanings
   * @param {Hooks} hooks
   */
  constructor(area, owner, meanings, hooks) {
    this.area = area;
    this.owner = owner;
    this.meanings = meanings;
    this.hooks = hooks;
    this.ink = new Ink(area);
    /** @type {Tag[]} */
    this.tags = [];
    this.text = "";
    this.isComposing = false;
    this.moved = ""; // what is said of the last change
    /** @type {Tag | null} */
    this.under = null;
    this.#listen();
    new ResizeObserver(() => this.draw()).observe(area);
  }

  #frame = 0;

  /** Stand where the box stands now: the host moves it from page to page. */
  settle() {
    const place = this.area.parentElement;
    if (!place || this.ink.sheet.parentElement === place) return;
    place.append(this.ink.sheet);
    this.hooks.settled(place);
    this.ink.dress();
    this.draw();
  }

  drawSoon() {
    this.#frame ||= requestAnimationFrame(() => this.draw());
  }

  /** Read the text and colour it. */
  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { area, ink } = this;
    if (!area.isConnected) return;
    this.read();
    const isTooMuch = this.text.length > MOST_LETTERS || this.tags.length > MOST_TAGS;
    ink.sheet.hidden = isTooMuch || this.tags.length === 0;
    if (ink.sheet.hidden) ink.clear();
    else {
      ink.draw(this.text, this.tags.map((tag) => this.#mark(tag)));
      ink.lay();
    }
    this.hooks.drawn();
  }

  /** Where the caret is on the screen. */
  caretBox() {
    const { area, ink } = this;
    if (!ink.lines.length && this.text.length <= MOST_LETTERS) {
      ink.sheet.hidden = false;
      ink.draw(this.text, []);
      ink.lay();
    }
    return ink.boxAt(area.selectionStart);
  }

  /** Say something about the last change in the bar; an empty text takes it back. @param {string} text */
  say(text) {
    this.moved = text;
    this.hooks.drawn();
  }

  /** The tags of the text as it is now. */
  read() {
    const text = this.area.value;
    if (text === this.text) return this.tags;
    this.text = text;
    this.tags = tagsIn(text, Boolean(this.owner()?.widget.dynamicPrompts));
    return this.tags;
  }

  /** @param {Tag} tag */
  textOf(tag) {
    return this.text.slice(tag.start, tag.end);
  }

  /** @param {Tag} tag @returns {TagMeaning | null} */
  meaningOf(tag) {
    return tag.isClosed ? this.meanings.of(this.textOf(tag)) : null;
  }

  /** The tag the caret is on, where no more than it is selected. */
  get here() {
    const { selectionStart: start, selectionEnd: end } = this.area;
    const tag = tagAt(this.read(), start);
    return tag && end <= tag.end ? tag : null;
  }

  /**
   * Set the strength of a tag in the text.
   *
   * @param {Tag} tag
   * @param {number} strength for the model
   */
  setStrength(tag, strength) {
    const meaning = this.meaningOf(tag);
    const changed = meaning && withStrength(this.textOf(tag), meaning, strength);
    if (!changed || this.area.value !== this.text) return;
    this.meanings.suppose(changed.tag, changed.meaning);
    put(this.area, tag.start + changed.from, tag.start + changed.to, changed.text);
    this.draw();
  }

  /** @param {Tag} tag @returns {Mark} */
  #mark(tag) {
    const meaning = this.meaningOf(tag);
    const classes = [`is-${lookOf(tag, meaning, tag === this.#atCaret())}`];
    if (tag.off) classes.push("is-off");
    /** @type {Mark["parts"]} */
    const parts = [];
    if (meaning?.name) parts.push({ start: meaning.name[0], end: meaning.name[1], look: "lora-rack-tag-name" });
    for (const [start, end] of meaning?.strengths ?? []) parts.push({ start, end, look: "lora-rack-tag-number" });
    return { tag, look: classes.join(" "), parts };
  }

  #atCaret() {
    return document.activeElement === this.area ? tagAt(this.tags, this.area.selectionStart) : null;
  }

  #listen() {
    const { area, hooks } = this;
    const moved = () => hooks.caretMoved();
    area.addEventListener("input", () => {
      this.drawSoon();
      if (!isPutting()) hooks.typed();
    });
    area.addEventListener("scroll", () => this.ink.scroll(), { passive: true });
    area.addEventListener("keydown", (event) => this.#key(event), { capture: true });
    area.addEventListener("focus", moved);
    area.addEventListener("blur", moved);
    area.addEventListener("compositionstart", () => (this.isComposing = true));
    area.addEventListener("compositionend", () => (this.isComposing = false));
    area.addEventListener("pointermove", (event) => this.#point(event), { capture: true, passive: true });
    area.addEventListener("pointerleave", () => this.#pointAt(null));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || this.isComposing || event.keyCode === 229) return; // an IME's own
    if (this.hooks.key(event)) return;
    const isUp = event.key === "ArrowUp";
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || !(isUp || event.key === "ArrowDown")) return;
    const tag = this.here;
    if (!tag) return; // the host's habit, for words
    event.preventDefault();
    event.stopPropagation();
    void this.#step(tag, isUp ? STEP : -STEP);
  }

  /** @param {Tag} tag @param {number} step */
  async #step(tag, step) {
    const [text, name] = [this.text, this.textOf(tag)];
    if (tag.isClosed && !this.meaningOf(tag)) await this.meanings.settled([name]);
    const row = this.meaningOf(tag)?.row;
    if (row && this.area.value === text) this.setStrength(tag, row.strength_model + step);
  }

  /** @param {PointerEvent} event */
  #point(event) {
    if (event.buttons) return;
    const { clientX: x, clientY: y } = event;
    const isOn = (/** @type {DOMRect} */ box) => x >= box.left && x < box.right && y >= box.top && y < box.bottom;
    const marks = [...this.ink.sheet.getElementsByClassName("lora-rack-tag")];
    const place = marks.findIndex((mark) => [...mark.getClientRects()].some(isOn));
    this.#pointAt(this.tags[place] ?? null);
  }

  /** @param {Tag | null} tag */
  #pointAt(tag) {
    if (tag?.start === this.under?.start && tag?.end === this.under?.end) return;
    this.under = tag;
    this.hooks.pointed(tag);
  }
}

/**
 * @param {Tag} tag
 * @param {TagMeaning | null} meaning
 * @param {boolean} isBeingTyped
 */
function lookOf(tag, meaning, isBeingTyped) {
  if (!tag.isClosed) return isBeingTyped ? "open" : "wrong";
  if (!meaning) return "unknown";
  if (!meaning.row) return "wrong";
  return meaning.problem ? "missing" : "fine";
}
