// Choosing a LoRA among thousands: a search field and a list that makes only the elements in sight.

import { element, setAttribute, setText } from "../parts/dom.js";
import { Popover } from "../parts/popover.mjs";
import { folderOf, stemOf, Thumbnail } from "../parts/thumbnail.js";
import { foundText, TEXTS } from "../texts.js";
import { FoundList } from "./found_list.mjs";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").Card} Card
 *
 * @typedef {object} PickerHooks
 * @property {(card: Card) => boolean} isHere whether the rack has it already
 * @property {(card: Card) => void} chosen
 */

const ITEM_PX = 52;
const SPARE = 4;
const TYPING_PAUSE_MS = 80;
const SILENCE_MS = 1000;

let lastPicker = 0;

/**
 * @param {DOMRect} place
 * @param {Server} server
 * @param {PickerHooks} hooks
 */
export function openPicker(place, server, hooks) {
  const picker = new Picker(server, hooks);
  new Popover(place, picker.element);
  picker.field.focus({ preventScroll: true });
  picker.found.search("");
}

class Picker {
  /**
   * @param {Server} server
   * @param {PickerHooks} hooks
   */
  constructor(server, hooks) {
    this.server = server;
    this.hooks = hooks;
    this.id = `lora-rack-picker-${++lastPicker}`;
    this.here = 0;
    this.typing = 0;
    this.choosesFirst = false; // Enter came before the answer did
    this.found = new FoundList(server, () => this.#answered());
    /** @type {Map<number, Item>} place → its element */
    this.items = new Map();
    this.field = element("input", {
      type: "search", role: "combobox", class: "lora-rack-search", placeholder: TEXTS.search,
      "aria-label": TEXTS.search, "aria-controls": this.id, "aria-expanded": "true", "aria-autocomplete": "list",
      spellcheck: "false", autocomplete: "off",
      oninput: () => this.#typed(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.room = element("div", { class: "lora-rack-room", role: "presentation" });
    this.list = element("div", {
      class: "lora-rack-found", role: "listbox", id: this.id, "aria-label": TEXTS.found, tabindex: "-1",
      onscroll: () => this.draw(),
    }, this.room);
    this.state = element("div", { class: "lora-rack-faint lora-rack-state", role: "status" });
    this.element = element("div", { class: "lora-rack-picker", role: "dialog", "aria-label": TEXTS.add },
      this.field, this.list,
      element("div", { class: "lora-rack-foot" }, this.state, element("span", { class: "lora-rack-faint" }, TEXTS.pickerHint)));
  }

  draw() {
    const { found, list, items } = this;
    this.here = Math.max(0, Math.min(this.here, found.total - 1));
    this.room.style.height = `${found.total * ITEM_PX}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / ITEM_PX) - SPARE);
    const last = Math.min(found.total, Math.ceil((list.scrollTop + list.clientHeight) / ITEM_PX) + SPARE);
    for (const [place, item] of items) {
      if (place >= first && place < last) continue;
      item.element.remove();
      items.delete(place);
    }
    for (let place = first; place < last; place++) {
      let item = items.get(place);
      if (!item) {
        const [choose, goTo] = [(/** @type {Card | null} */ card) => this.#choose(place, card), () => this.#goTo(place, false)];
        item = new Item(this.server, `${this.id}-${place}`, place, choose, goTo);
        items.set(place, item);
        this.room.append(item.element);
      }
      const card = found.at(place);
      item.show(card, place === this.here, found.total, card !== null && this.hooks.isHere(card));
    }
    setAttribute(this.field, "aria-activedescendant", found.total ? `${this.id}-${this.here}` : null);
    const nothing = found.query ? TEXTS.nothingFound : TEXTS.noFiles;
    setText(this.state, found.error || (found.total || !found.isAnswered ? foundText(found.total) : nothing));
  }

  #answered() {
    this.draw();
    if (this.found.error) this.#askAgainSoon();
    if (this.choosesFirst && this.found.isAnswered && this.found.query === this.field.value) {
      this.choosesFirst = false;
      this.#choose(0, this.found.at(0));
    }
  }

  #askAgainSoon() {
    window.setTimeout(() => this.element.isConnected && this.found.askAgain(), SILENCE_MS);
  }

  #typed() {
    clearTimeout(this.typing);
    this.choosesFirst = false;
    this.typing = window.setTimeout(() => {
      this.here = 0;
      this.list.scrollTop = 0;
      this.found.search(this.field.value);
    }, TYPING_PAUSE_MS);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const inSight = Math.floor(this.list.clientHeight / ITEM_PX);
    /** @type {Record<string, number>} */
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: inSight, PageUp: -inSight };
    if (event.key in steps) this.#goTo(this.here + steps[event.key], true);
    else if (event.key === "Enter") this.#enter();
    else return;
    event.preventDefault();
  }

  /** @param {number} place @param {boolean} scrolls */
  #goTo(place, scrolls) {
    this.here = Math.max(0, Math.min(place, this.found.total - 1));
    const top = this.here * ITEM_PX;
    const { list } = this;
    if (scrolls && top < list.scrollTop) list.scrollTop = top;
    if (scrolls && top + ITEM_PX > list.scrollTop + list.clientHeight) list.scrollTop = top + ITEM_PX - list.clientHeight;
    this.draw();
  }

  #enter() {
    if (this.found.isAnswered && this.found.query === this.field.value) this.#choose(this.here, this.found.at(this.here));
    else this.choosesFirst = true;
  }

  /** @param {number} place @param {Card | null} card as it is shown there, which an answer under way may change */
  #choose(place, card) {
    if (!card) return;
    this.here = place;
    this.hooks.chosen(card);
    this.draw();
  }
}

class Item {
  /**
   * @param {Server} server
   * @param {string} id
   * @param {number} place
   * @param {(card: Card | null) => void} chosen
   * @param {() => void} pointed
   */
  constructor(server, id, place, chosen, pointed) {
    /** @type {Card | null} */
    this.card = null;
    this.thumbnail = new Thumbnail(server);
    this.title = element("span", { class: "lora-rack-title" });
    this.folder = element("span", { class: "lora-rack-folder" });
    this.words = element("span", { class: "lora-rack-faint lora-rack-line-of-words" });
    this.family = element("span", { class: "lora-rack-family" });
    this.mark = element("span", { class: "lora-rack-faint" });
    this.element = element("div", {
      class: "lora-rack-option", role: "option", id, "aria-posinset": place + 1,
      onclick: () => chosen(this.card),
      onpointermove: pointed,
      onpointerdown: (/** @type {PointerEvent} */ event) => event.preventDefault(), // keep the focus in the field
    },
    this.thumbnail.element,
    element("div", { class: "lora-rack-body" },
      element("div", { class: "lora-rack-head" }, this.title, this.folder, this.mark, this.family), this.words));
    this.element.style.top = `${place * ITEM_PX}px`;
  }

  /** @param {Card | null} card @param {boolean} isHere @param {number} total @param {boolean} isInRack */
  show(card, isHere, total, isInRack) {
    this.card = card;
    setAttribute(this.element, "aria-selected", isHere ? "true" : "false");
    setAttribute(this.element, "aria-setsize", total);
    setAttribute(this.element, "aria-busy", card === null);
    this.element.classList.toggle("is-missing", Boolean(card?.problem));
    this.thumbnail.show(card?.name ?? "", card);
    setText(this.title, card ? stemOf(card.name) : "");
    setText(this.folder, card ? folderOf(card.name) : "");
    setText(this.words, card ? card.problem || [card.title, card.words.join(", ")].filter(Boolean).join(" · ") : "");
    setText(this.family, card?.family ?? "");
    setText(this.mark, isInRack ? TEXTS.inRack : "");
    this.element.title = card?.name ?? "";
  }
}
