// The list of what may be meant, under the caret while a tag is typed: names with their pictures, strengths, named parts.

import { element, setAttribute, setText } from "../parts/dom.js";
import { stemOf, folderOf, Thumbnail } from "../parts/thumbnail.js";
import { askEmbeddings } from "./asking.mjs";
import { contextAt } from "./context.mjs";
import { Names } from "./search.mjs";
import { canBeTagged, closedTag, spelled } from "./tags.mjs";
import { TEXTS } from "./texts.mjs";
import { put } from "./typing.mjs";

/**
 * @typedef {import("./box.mjs").Box} Box
 * @typedef {import("./context.mjs").Context} Context
 * @typedef {import("./desk.mjs").Desk} Desk
 * @typedef {import("../server.js").Card} Card
 * @typedef {{text: string, label: string, note: string, name: string}} Choice `name` of a file, empty for what is none
 */

const MOST = 40;
const IN_SIGHT = 8;
const GAP_PX = 4;
const EDGE_PX = 8;
/** What a person may name behind the strength of a tag, as lora_core/grammar/tags.py reads it. */
const PARTS = /** @type {const} */ (["unet", "te", "lbw", "lbwe", "start", "stop", "steps", "hash"]);
const USUAL = [0.5, 0.7, 0.8, 1];

let lastId = 0;

export class Completion {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
    this.names = new Names([]);
    /** @type {string[]} what `names` is of */
    this.listed = [];
    /** @type {Names | null} */
    this.embeddings = null;
    /** @type {Box | null} */
    this.box = null;
    /** @type {Context | null} */
    this.context = null;
    /** @type {Choice[]} */
    this.choices = [];
    this.here = 0;
    this.id = `lora-rack-completion-${++lastId}`;
    this.list = element("div", { class: "lora-rack-choices", role: "listbox", id: this.id, "aria-label": TEXTS.choices });
    this.foot = element("div", { class: "lora-rack-faint lora-rack-choices-foot" }, TEXTS.choicesHint);
    this.element = element("div", {
      class: "lora-rack-completion lora-rack-theme",
      onmousedown: (/** @type {MouseEvent} */ event) => event.preventDefault(), // the caret stays where it is
    }, this.list, this.foot);
    for (const kind of ["pointerdown", "mousedown", "click", "wheel"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation());
    }
  }

  get isOpen() {
    return this.element.isConnected;
  }

  /** @param {Box} box in which a key has changed the text */
  typed(box) {
    if (box.isComposing || box.area.readOnly) return this.close();
    this.box = box;
    this.#find();
  }

  /** The caret went elsewhere. */
  moved() {
    if (!this.isOpen || !this.box) return;
    if (document.activeElement !== this.box.area) return this.close();
    const context = this.#contextNow();
    if (!context || context.from !== this.context?.from || context.kind !== this.context.kind) this.close();
  }

  close() {
    this.element.remove();
    if (this.box) for (const name of ["aria-activedescendant", "aria-controls"]) this.box.area.removeAttribute(name);
    this.box = this.context = null;
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the list took it */
  key(event) {
    if (!this.isOpen || event.ctrlKey || event.metaKey || event.altKey) return false;
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: IN_SIGHT, PageUp: -IN_SIGHT };
    const isTaken = event.key in steps || ["Enter", "Tab", "Escape"].includes(event.key);
    if (!isTaken || event.shiftKey) return false;
    event.preventDefault();
    event.stopImmediatePropagation(); // no other list of another helper takes it too
    if (event.key in steps) this.#goTo(this.here + steps[event.key]);
    else if (event.key === "Escape") this.close();
    else this.#take(this.choices[this.here]);
    return true;
  }

  #contextNow() {
    const { box } = this;
    if (!box || box.area.selectionStart !== box.area.selectionEnd) return null;
    return contextAt(box.area.value, box.area.selectionStart, box.read());
  }

  #find() {
    const context = this.#contextNow();
    this.context = context;
    this.choices = context ? this.#choicesFor(context) : [];
    if (!context || !this.choices.length) return this.close();
    this.here = 0;
    this.#draw();
  }

  /** @param {Context} context @returns {Choice[]} */
  #choicesFor({ kind, typed, tag }) {
    if (kind === "name") return this.#files(typed);
    if (kind === "embedding") return this.#embeddings(typed);
    if (kind === "strength") return this.#strengths(typed, tag);
    if (typed.includes("=")) return [];
    return PARTS.filter((part) => part.startsWith(typed.toLowerCase()))
      .map((part) => ({ text: `${part}=`, label: `${part}=`, note: TEXTS[`part_${part}`], name: "" }));
  }

  /** @param {string} typed @returns {Choice[]} */
  #files(typed) {
    const listed = this.desk.host.loraNames();
    if (listed !== this.listed) [this.listed, this.names] = [listed, new Names(listed.filter(canBeTagged))];
    const found = this.names.find(typed, MOST);
    this.desk.cards.want(found.slice(0, IN_SIGHT));
    return found.map((name) => ({ text: spelled(name), label: stemOf(name), note: folderOf(name), name }));
  }

  /** @param {string} typed @returns {Choice[]} */
  #embeddings(typed) {
    if (!this.embeddings) {
      this.embeddings = new Names([]);
      void this.#fetchEmbeddings();
    }
    return this.embeddings.find(typed, MOST)
      .map((name) => ({ text: name.replace(/\\/g, "/"), label: stemOf(name), note: folderOf(name), name: "" }));
  }

  async #fetchEmbeddings() {
    try {
      const names = await askEmbeddings(this.desk.host.server);
      this.embeddings = new Names(names.filter((name) => !/[\s,()\\]/.test(name))); // no prompt can hold those
      if (this.box) this.#find();
    } catch {
      this.embeddings = null; // asked for again with the next key
    }
  }

  /** @param {string} typed @param {string} tag @returns {Choice[]} */
  #strengths(typed, tag) {
    const name = tag.split(":")[1]?.trim() ?? "";
    const preferred = this.desk.cards.called(name)?.strength ?? null;
    const all = preferred === null ? USUAL : [preferred, ...USUAL.filter((one) => one !== preferred)];
    return all.map(String).filter((one) => one.startsWith(typed) && one !== typed).map((one) => (
      { text: one, label: one, note: Number(one) === preferred ? TEXTS.preferred : "", name: "" }));
  }

  /** @param {number} place */
  #goTo(place) {
    const count = this.choices.length;
    this.here = place < 0 ? count - 1 : place >= count ? 0 : place;
    this.#draw();
  }

  /** @param {Choice} choice */
  #take(choice) {
    const { box, context } = this;
    this.close();
    if (!box || !context || !choice) return;
    const { kind, from, to, closes } = context;
    const card = choice.name ? this.desk.cards.of(choice.name) : null;
    let text = choice.text;
    if (kind === "name" && closes) text = closedTag(choice.text, card);
    if (kind === "strength" && closes) text += ">";
    const isWhole = kind === "name" && !closes;
    put(box.area, from, to, text, from + text.length);
    if (isWhole) {
      const end = box.read().find((tag) => tag.start < from && from <= tag.end)?.end;
      if (end) box.area.setSelectionRange(end, end);
    }
    box.draw();
    this.desk.caretMoved();
  }

  /** Draw the list anew, as when pictures of files have come. */
  redraw() {
    if (this.isOpen) this.#draw();
  }

  #draw() {
    const { box, choices, here } = this;
    if (!box) return;
    const first = Math.max(0, Math.min(here - IN_SIGHT + 2, choices.length - IN_SIGHT));
    const shown = choices.slice(first, first + IN_SIGHT);
    this.desk.cards.want(shown.flatMap(({ name }) => (name ? [name] : [])));
    this.list.replaceChildren(...shown.map((choice, place) => this.#item(choice, first + place)));
    if (!this.isOpen) document.body.append(this.element);
    setAttribute(box.area, "aria-controls", this.id);
    setAttribute(box.area, "aria-activedescendant", `${this.id}-${here}`);
    this.#place(box);
    this.desk.hint.draw();
  }

  /** @param {Choice} choice @param {number} place */
  #item(choice, place) {
    const card = choice.name ? this.desk.cards.of(choice.name) : null;
    const thumbnail = choice.name ? new Thumbnail(this.desk.host.server) : null;
    thumbnail?.show(choice.name, card);
    const family = element("span", { class: "lora-rack-family" });
    setText(family, card?.family ?? "");
    return element("div", {
      class: `lora-rack-choice${thumbnail ? "" : " is-plain"}`, role: "option", id: `${this.id}-${place}`,
      "aria-selected": place === this.here ? "true" : "false", title: choice.name || null,
      onclick: () => this.#take(choice),
    }, thumbnail?.element, element("span", { class: "lora-rack-title" }, choice.label),
    element("span", { class: choice.name ? "lora-rack-folder" : "lora-rack-faint" }, choice.note), family);
  }

  /** @param {Box} box */
  #place(box) {
    box.draw();
    const caret = box.caretBox();
    const size = this.element.getBoundingClientRect();
    const below = caret.bottom + GAP_PX;
    const y = below + size.height + EDGE_PX <= window.innerHeight ? below : caret.top - GAP_PX - size.height;
    const x = Math.max(EDGE_PX, Math.min(caret.left, window.innerWidth - size.width - EDGE_PX));
    this.element.style.transform = `translate(${Math.round(x)}px, ${Math.round(Math.max(EDGE_PX, y))}px)`;
  }
}
