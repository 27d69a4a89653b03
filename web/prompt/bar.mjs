// The bar under a prompt's box: a button to choose a LoRA with its picture, a chip for each tag, and the way to a rack.

import { button, element, setAttribute, setText } from "../parts/dom.js";
import { isWired } from "../parts/wires.mjs";
import { TEXTS as RACK } from "../texts.js";
import { Chip } from "./chip.mjs";
import { TEXTS } from "./texts.mjs";
import { rackBefore } from "./wiring.mjs";

/** @typedef {import("./box.mjs").Box} Box @typedef {import("./desk.mjs").Desk} Desk */

const MOST_CHIPS = 40;
const LEAST_BOX_PX = 58;

export class Bar {
  /** @param {Box} box @param {Desk} desk */
  constructor(box, desk) {
    this.box = box;
    this.desk = desk;
    /** @type {Chip[]} */
    this.chips = [];
    this.height = 0;
    this.choose = button(TEXTS.chooseLora, () => void desk.pick(box), { icon: "plus", text: TEXTS.lora, class: "lora-rack-add" });
    this.choose.setAttribute("aria-haspopup", "dialog");
    this.note = element("span", { class: "lora-rack-faint lora-rack-prompt-note", role: "status" });
    const quiet = (/** @type {string} */ label, /** @type {string} */ text, /** @type {() => void} */ act) =>
      button(label, act, { text, class: "lora-rack-quiet" });
    this.toRack = quiet(TEXTS.toRackLabel, TEXTS.toRack, () => void desk.moves.toRack(box));
    this.fromRack = quiet(TEXTS.fromRackLabel, TEXTS.fromRack, () => void desk.moves.fromRack(box));
    this.list = element("div", { class: "lora-rack-prompt-chips", role: "list", "aria-label": TEXTS.chips });
    this.element = element("div", {
      class: "lora-rack-prompt-bar lora-rack-theme lod-toggle", role: "group", "aria-label": TEXTS.bar,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onmousedown: (/** @type {MouseEvent} */ event) => this.#keepFocus(event),
    }, element("div", { class: "lora-rack-prompt-head" }, this.choose, this.note, this.fromRack, this.toRack), this.list);
    for (const kind of ["pointerdown", "pointermove", "pointerup", "contextmenu"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation()); // else the node is dragged
    }
    new ResizeObserver(() => this.#makeRoom()).observe(this.element);
  }

  /** Stand under the box. @param {HTMLElement} place */
  settle(place) {
    if (this.element.parentElement === place) return;
    place.append(this.element);
    this.height = 0;
    this.#makeRoom();
  }

  draw() {
    const { box, desk } = this;
    const owner = box.owner();
    const wired = owner !== null && isWired(owner.node, owner.widget.name);
    const shown = wired ? [] : box.tags.filter(({ isClosed }) => isClosed).slice(0, MOST_CHIPS);
    while (this.chips.length > shown.length) this.chips.pop()?.element.remove();
    shown.forEach((tag, place) => {
      let chip = this.chips[place];
      if (!chip) {
        chip = new Chip(box, desk);
        this.chips.push(chip);
        this.list.append(chip.element);
      }
      chip.show(tag, box.meaningOf(tag));
    });
    this.list.hidden = shown.length === 0;
    this.toRack.hidden = shown.length === 0;
    this.fromRack.hidden = wired || !owner || !rackBefore(owner.node);
    setAttribute(this.choose, "disabled", wired);
    const more = box.tags.length - shown.length;
    const left = more > 0 && shown.length === MOST_CHIPS ? `+ ${more}` : "";
    setText(this.note, wired ? RACK.wired : desk.meanings.isSilent ? RACK.serverSilent : box.moved || left);
  }

  #makeRoom() {
    const height = Math.ceil(this.element.offsetHeight);
    if (!height || height === this.height) return;
    this.height = height;
    const { area } = this.box;
    area.style.height = `calc(100% - ${height + 3}px)`;
    const least = LEAST_BOX_PX + height;
    const owner = this.box.owner();
    if (owner) owner.widget.options.getMinHeight = () => least;
    if (area.parentElement && !area.parentElement.classList.contains("dom-widget")) {
      area.parentElement.style.minHeight = `${least}px`;
    }
    this.box.drawSoon();
  }

  /** @param {MouseEvent} event */
  #keepFocus(event) {
    event.stopPropagation(); // the host's classic rendering takes the focus from its box at a press elsewhere
    if (!(event.target instanceof HTMLInputElement)) event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const isUndo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(event.key);
    if (!isUndo) event.stopPropagation(); // the host has keys of its own, such as Delete
    if (event.key === "Escape") this.box.area.focus({ preventScroll: true });
  }
}
