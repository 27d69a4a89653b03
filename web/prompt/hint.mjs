// What is known of the tag under the caret or the pointer, in a small panel beside it: its file, what is wrong with it, its
// trigger words, and a fader for its strength.

import { button, element, setText } from "../parts/dom.js";
import { Fader } from "../parts/fader.js";
import { folderOf, stemOf, Thumbnail } from "../parts/thumbnail.js";
import { numberLabel, strengthLabel, TEXTS as RACK } from "../texts.js";
import { TEXTS, tagLabel, wordLabel } from "./texts.mjs";
import { put } from "./typing.mjs";

/**
 * @typedef {import("./box.mjs").Box} Box
 * @typedef {import("./lexer.mjs").Tag} Tag
 * @typedef {import("./desk.mjs").Desk} Desk
 * @typedef {import("./asking.mjs").TagMeaning} TagMeaning
 */

const GAP_PX = 6;
const EDGE_PX = 8;
const LINGER_MS = 220;
const SCALE = { reset: 1, low: -1, high: 2 };
const MOST_WORDS = 8;

export class Hint {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    /** @type {Box | null} the box with the caret */
    this.caretBox = null;
    /** @type {{box: Box, start: number} | null} the tag the pointer is on */
    this.pointed = null;
    /** @type {{box: Box, start: number} | null} the tag the panel is about */
    this.about = null;
    this.dismissed = "";
    this.shownKey = "";
    /** @type {Fader | null} */
    this.fader = null;
    this.thumbnail = new Thumbnail(desk.host.server);
    this.title = element("span", { class: "lora-rack-title" });
    this.folder = element("span", { class: "lora-rack-folder" });
    this.family = element("span", { class: "lora-rack-family" });
    this.note = element("div", { class: "lora-rack-hint-note" });
    this.words = element("div", { class: "lora-rack-words" });
    this.strength = element("div", { class: "lora-rack-strength" });
    this.element = element("div", {
      class: "lora-rack-hint lora-rack-theme", role: "group", hidden: true,
      onmousedown: (/** @type {MouseEvent} */ event) => this.#keepFocus(event),
      onpointerenter: () => clearTimeout(this.lingering),
      onpointerleave: () => this.#pointerLeft(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    },
    this.thumbnail.element,
    element("div", { class: "lora-rack-body" },
      element("div", { class: "lora-rack-head" }, this.title, this.folder, this.family),
      this.strength, this.note, this.words));
    // The host's classic rendering takes the focus from its box at a press elsewhere.
    for (const kind of ["pointerdown", "mousedown", "click", "wheel", "contextmenu"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation());
    }
  }

  lingering = 0;
  #frame = 0;

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {Box | null} box with the caret */
  follow(box) {
    if (!box && this.element.contains(document.activeElement)) return;
    this.caretBox = box;
    this.draw();
  }

  /** @param {Box} box @param {Tag | null} tag under the pointer */
  point(box, tag) {
    clearTimeout(this.lingering);
    if (!tag) return this.#pointerLeft();
    this.lingering = window.setTimeout(() => {
      this.pointed = { box, start: tag.start };
      this.draw();
    }, LINGER_MS);
  }

  /** A person types: what the resting pointer is on is not meant. */
  typed() {
    clearTimeout(this.lingering);
    this.pointed = null;
  }

  /** Say no more of the tag at the caret until another one is. */
  dismiss() {
    if (!this.isOpen) return false;
    const tag = this.about?.box.here;
    this.dismissed = tag && this.about ? this.about.box.textOf(tag) : "";
    this.pointed = null;
    this.draw();
    return true;
  }

  draw() {
    const found = this.#target();
    if (!found) return this.#hide();
    const { box, tag } = found;
    this.about = { box, start: tag.start };
    const text = box.textOf(tag);
    const meaning = box.meaningOf(tag);
    const key = JSON.stringify([text, tag.off, meaning, this.#verdictOn(meaning)]);
    if (key !== this.shownKey) {
      this.shownKey = key;
      this.#fill(box, tag, meaning);
    }
    if (this.element.hidden || !this.element.isConnected) {
      this.element.hidden = false;
      document.body.append(this.element);
    }
    this.#place();
    this.#frame ||= requestAnimationFrame(() => this.#stay());
  }

  /** @returns {{box: Box, tag: Tag} | null} */
  #target() {
    if (this.desk.isChoosing) return null;
    const { pointed, caretBox } = this;
    if (pointed?.box.area.isConnected) {
      const tag = pointed.box.read().find(({ start }) => start === pointed.start);
      if (tag?.isClosed) return { box: pointed.box, tag };
    }
    const inside = this.element.contains(document.activeElement);
    if (!caretBox?.area.isConnected || (!inside && document.activeElement !== caretBox.area)) return null;
    const tag = caretBox.here;
    if (!tag?.isClosed || caretBox.textOf(tag) === this.dismissed) return null;
    this.dismissed = "";
    return { box: caretBox, tag };
  }

  /** @param {Box} box @param {Tag} tag @param {TagMeaning | null} meaning */
  #fill(box, tag, meaning) {
    const name = meaning?.card?.name ?? meaning?.row?.name ?? "";
    const { card = null, problem = null, row = null } = meaning ?? {};
    this.element.setAttribute("aria-label", tagLabel(stemOf(name)));
    this.thumbnail.show(name, card);
    this.thumbnail.element.hidden = !row;
    setText(this.title, name ? card?.title || stemOf(name) : TEXTS.asking);
    this.title.hidden = meaning !== null && !name;
    setText(this.folder, folderOf(name));
    setText(this.family, card?.family ?? "");
    this.#fillNote(tag, problem, this.#verdictOn(meaning));
    this.#fillWords(box, card?.words ?? []);
    this.strength.hidden = !row;
    if (row) this.#showFader(stemOf(name), row.strength_model);
  }

  /** @param {TagMeaning | null} meaning */
  #verdictOn(meaning) {
    return this.desk.verdicts.get(meaning?.card?.name ?? "") ?? "";
  }

  /** @param {Tag} tag @param {import("../server.js").Problem | null} problem @param {string} verdict */
  #fillNote(tag, problem, verdict) {
    const off = { "": "", line: TEXTS.offByLine, comment: TEXTS.offByComment }[tag.off];
    const kinds = /** @type {Record<string, string>} */ ({ MissingLora: RACK.missing, AmbiguousLora: RACK.ambiguous });
    const said = problem ? kinds[problem.type] ?? problem.message : off || verdict;
    this.note.classList.toggle("is-wrong", problem !== null);
    this.note.hidden = !said;
    this.note.replaceChildren(element("span", {}, said));
    const candidates = problem?.candidates ?? [];
    if (candidates.length && problem?.type === "MissingLora") this.note.append(element("span", {}, RACK.nearest));
    for (const name of candidates.slice(0, 5)) {
      const spelled = name.replace(/\.safetensors$/i, "");
      this.note.append(button(name, () => this.#rename(spelled), { text: stemOf(name), class: "lora-rack-chip" }));
    }
  }

  /** @param {Box} box @param {string[]} words */
  #fillWords(box, words) {
    this.words.hidden = words.length === 0;
    const said = box.text.toLowerCase();
    this.words.replaceChildren(...words.slice(0, MOST_WORDS).map((word) => {
      const isThere = said.includes(word.toLowerCase());
      const chip = button(wordLabel(word, isThere), () => this.#insertWord(word), { text: word, class: "lora-rack-chip" });
      chip.disabled = isThere;
      return chip;
    }));
  }

  /** @param {string} name @param {number} strength */
  #showFader(name, strength) {
    const label = strengthLabel(name, false);
    if (this.fader?.track.getAttribute("aria-label") !== label || !this.fader.track.isConnected) {
      if (this.fader?.grip) return this.fader.show(strength);
      this.fader = new Fader(label, numberLabel(label), {
        changed: (value, isGesture) => this.#setStrength(value, isGesture),
        ended: () => this.desk.host.rememberForUndo(),
      }, SCALE);
      this.strength.replaceChildren(this.fader.track, this.fader.number);
    }
    this.fader.show(strength);
  }

  /** The tag the panel is about, as it stands now. @returns {{box: Box, tag: Tag} | null} */
  #now() {
    const { about } = this;
    const tag = about?.box.read().find(({ start }) => start === about.start);
    return about && tag ? { box: about.box, tag } : null;
  }

  /** @param {number} value @param {boolean} isGesture */
  #setStrength(value, isGesture) {
    const now = this.#now();
    if (!now) return;
    now.box.setStrength(now.tag, value);
    this.draw();
    if (!isGesture) this.desk.host.rememberForUndo();
  }

  /** @param {string} name */
  #rename(name) {
    const now = this.#now();
    const place = now && now.box.meaningOf(now.tag)?.name;
    if (!now || !place) return;
    put(now.box.area, now.tag.start + place[0], now.tag.start + place[1], name);
    this.#changed(now.box);
  }

  /** @param {string} word behind the tag */
  #insertWord(word) {
    const now = this.#now();
    if (!now) return;
    put(now.box.area, now.tag.end, now.tag.end, `, ${word}`, this.caretBox ? now.tag.end : undefined);
    this.shownKey = "";
    this.#changed(now.box);
  }

  /** @param {Box} box */
  #changed(box) {
    box.draw();
    this.draw();
    this.desk.host.rememberForUndo();
  }

  /** @param {MouseEvent} event */
  #keepFocus(event) {
    if (!(event.target instanceof HTMLInputElement)) event.preventDefault(); // the caret stays where it is
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    event.stopPropagation(); // the host has keys of its own, such as Delete
    if (event.key === "Escape") this.about?.box.area.focus({ preventScroll: true });
  }

  #pointerLeft() {
    clearTimeout(this.lingering);
    this.lingering = window.setTimeout(() => {
      if (this.fader?.grip || this.fader?.isTyping) return;
      this.pointed = null;
      this.draw();
    }, LINGER_MS);
  }

  #hide() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    if (this.element.hidden) return;
    this.element.hidden = true;
    this.element.remove();
    this.about = null;
    this.shownKey = "";
  }

  /** The graph moves under the panel without a word. */
  #stay() {
    this.#frame = 0;
    if (this.element.hidden) return;
    if (!this.about?.box.area.isConnected) return this.draw();
    this.#place();
    this.#frame = requestAnimationFrame(() => this.#stay());
  }

  #place() {
    const { about } = this;
    const tag = about?.box.ink.boxesOf(about.start).at(-1);
    if (!tag) return;
    const box = this.element.getBoundingClientRect();
    const below = tag.bottom + GAP_PX;
    const above = tag.top - GAP_PX - box.height;
    const isAbove = this.pointed ? above >= EDGE_PX : below + box.height + EDGE_PX > window.innerHeight;
    const y = isAbove ? above : below; // under a pointer that goes on to the bar below, it would be in the way
    const x = Math.max(EDGE_PX, Math.min(tag.left, window.innerWidth - box.width - EDGE_PX));
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(EDGE_PX, y))}px)`;
  }
}
