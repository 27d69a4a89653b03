// One tag as a chip under the box: on or off, its strength, and away. All of it is written into the text.

import { button, element, setAttribute, setText } from "../parts/dom.js";
import { Fader } from "../parts/fader.js";
import { stemOf, Thumbnail } from "../parts/thumbnail.js";
import { numberLabel, ofRow, powerLabel, strengthLabel, TEXTS as RACK } from "../texts.js";
import { tagLabel } from "./texts.mjs";

/**
 * @typedef {import("./box.mjs").Box} Box
 * @typedef {import("./desk.mjs").Desk} Desk
 * @typedef {import("./lexer.mjs").Tag} Tag
 * @typedef {import("./asking.mjs").TagMeaning} TagMeaning
 */

const SCALE = { reset: 1, low: -1, high: 2 };

export class Chip {
  /** @param {Box} box @param {Desk} desk */
  constructor(box, desk) {
    this.box = box;
    this.desk = desk;
    /** @type {Tag | null} */
    this.tag = null;
    this.name = "";
    this.power = element("button", {
      type: "button", class: "lora-rack-power", role: "switch", onclick: () => this.tag && void desk.moves.toggle(box, this.tag),
    });
    this.thumbnail = new Thumbnail(desk.host.server);
    this.title = element("button", { type: "button", class: "lora-rack-title", onclick: () => this.#goThere() });
    this.fader = new Fader("", "", {
      changed: (value, isGesture) => this.#setStrength(value, isGesture),
      ended: () => desk.host.rememberForUndo(),
    }, SCALE);
    this.remove = button(RACK.remove, () => this.tag && void desk.moves.remove(box, [this.tag]), {
      icon: "cross", class: "lora-rack-quiet",
    });
    this.element = element("div", { class: "lora-rack-prompt-chip", role: "listitem" }, this.power, this.thumbnail.element,
      this.title, this.fader.track, this.fader.number, this.remove);
  }

  /** @param {Tag} tag @param {TagMeaning | null} meaning */
  show(tag, meaning) {
    this.tag = tag;
    const row = meaning?.row ?? null;
    const text = this.box.textOf(tag);
    const name = meaning?.card?.name ?? row?.name ?? text;
    const stem = row ? stemOf(name) : text;
    if (stem !== this.name) this.#call(stem);
    this.thumbnail.show(name, meaning?.card ?? null);
    setText(this.title, stem);
    setAttribute(this.title, "title", meaning?.problem?.message ?? name);
    setAttribute(this.power, "aria-checked", tag.off ? "false" : "true");
    setAttribute(this.power, "disabled", tag.off === "comment");
    this.element.classList.toggle("is-off", tag.off !== "");
    this.element.classList.toggle("is-missing", Boolean(meaning?.problem));
    for (const part of [this.fader.track, this.fader.number, this.thumbnail.element]) part.hidden = row === null;
    if (row) this.fader.show(row.strength_model);
  }

  /** @param {string} stem */
  #call(stem) {
    this.name = stem;
    const label = strengthLabel(stem, false);
    this.element.setAttribute("aria-label", tagLabel(stem));
    this.power.setAttribute("aria-label", powerLabel(stem));
    this.fader.track.setAttribute("aria-label", label);
    this.fader.number.setAttribute("aria-label", numberLabel(label));
    for (const name of ["aria-label", "title"]) this.remove.setAttribute(name, ofRow(RACK.remove, stem));
  }

  /** @param {number} value @param {boolean} isGesture */
  #setStrength(value, isGesture) {
    if (!this.tag) return;
    this.box.setStrength(this.tag, value);
    if (!isGesture) this.desk.host.rememberForUndo();
  }

  #goThere() {
    const { area } = this.box;
    area.focus({ preventScroll: true });
    if (this.tag) area.setSelectionRange(this.tag.end - 1, this.tag.end - 1);
    this.desk.caretMoved();
  }
}
