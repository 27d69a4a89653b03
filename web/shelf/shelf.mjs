// The racks that are kept under names: found, inserted, saved, renamed, exported, deleted.
//
// Whoever changes one names the version that was read: where another page was quicker, the server says so, and the
// list shows what there is now.

import { button, element, setText } from "../parts/dom.js";
import { Popover } from "../parts/popover.mjs";
import { newEntry } from "../rack/rows.js";
import { problemOf } from "../server.js";
import { ofRack, savedText, TEXTS } from "./texts.mjs";

/**
 * @typedef {import("../rack/editor.js").RackEditor} RackEditor
 * @typedef {{name: string, version: string, loras: string[]}} Kept
 */

const TYPING_PAUSE_MS = 120;

/**
 * @param {DOMRect} place
 * @param {RackEditor} editor
 */
export function openShelf(place, editor) {
  const shelf = new Shelf(editor, () => popover.close());
  const popover = new Popover(place, shelf.element);
  shelf.field.focus({ preventScroll: true });
  void shelf.list();
}

class Shelf {
  /**
   * @param {RackEditor} editor
   * @param {() => void} close
   */
  constructor(editor, close) {
    this.editor = editor;
    this.close = close;
    this.pause = 0;
    this.open = ""; // the rack whose further acts are shown
    this.field = element("input", {
      type: "search", placeholder: TEXTS.search, "aria-label": TEXTS.search, spellcheck: "false", autocomplete: "off",
      oninput: () => this.#typed(),
    });
    this.kept = element("div", { class: "lora-rack-kept", role: "list", "aria-label": TEXTS.shelf });
    this.name = element("input", { type: "text", placeholder: TEXTS.name, "aria-label": TEXTS.name, spellcheck: "false" });
    this.said = element("div", { role: "status" });
    this.wrong = element("div", { role: "alert", hidden: true });
    this.file = element("input", { type: "file", accept: ".txt,text/plain", hidden: true, onchange: () => void this.#import() });
    const form = element("form", { onsubmit: (/** @type {Event} */ event) => this.#submitted(event) },
      this.name, element("button", { type: "submit", class: "lora-rack-chip" }, TEXTS.save),
      button(TEXTS.importIt, () => this.file.click(), { icon: "text", class: "lora-rack-quiet" }), this.file);
    this.element = element("div", { class: "lora-rack-shelf", role: "dialog", "aria-label": TEXTS.shelf },
      this.field, this.kept, this.said, this.wrong, form);
  }

  /** Show what is kept now. */
  async list() {
    const query = this.field.value;
    const answer = await this.#try(() => this.editor.server.ask(`racks?${new URLSearchParams({ query })}`));
    if (!answer || query !== this.field.value) return;
    this.kept.replaceChildren(...answer.racks.map((/** @type {Kept} */ rack) => this.#item(rack)));
    setText(this.said, answer.racks.length ? "" : query ? TEXTS.nothingFound : TEXTS.nothing);
  }

  #typed() {
    clearTimeout(this.pause);
    this.pause = window.setTimeout(() => void this.list(), TYPING_PAUSE_MS);
  }

  /** @param {Kept} rack */
  #item(rack) {
    const { name } = rack;
    const chip = (/** @type {string} */ text, /** @type {() => void} */ act, label = text) =>
      button(ofRack(label, name), act, { text, class: "lora-rack-chip" });
    const acts = element("div", { class: "lora-rack-acts", hidden: this.open !== name },
      this.#twice(TEXTS.replace, TEXTS.reallyReplace, name, () => this.#save(name, rack.version)),
      chip(TEXTS.rename, () => this.#askName(rack, acts)),
      chip(TEXTS.exportIt, () => void this.#export(name)),
      this.#twice(TEXTS.remove, TEXTS.reallyRemove, name, () => this.#post("rack/delete", { name, version: rack.version })));
    const more = button(ofRack(TEXTS.more, name), () => {
      acts.hidden = !acts.hidden;
      this.open = acts.hidden ? "" : name;
      more.setAttribute("aria-expanded", String(!acts.hidden));
    }, { icon: "dots", class: "lora-rack-quiet" });
    more.setAttribute("aria-expanded", String(!acts.hidden));
    return element("div", { class: "lora-rack-one", role: "listitem", "aria-label": name },
      element("div", {}, element("strong", {}, name), element("span", { class: "lora-rack-faint" }, rack.loras.join(", "))),
      chip(TEXTS.insert, () => this.#insertName(name), TEXTS.insertHint),
      chip(TEXTS.rows, () => void this.#insertRows(name), TEXTS.rowsHint), more, acts);
  }

  /**
   * A button that acts on its second press.
   *
   * @param {string} text
   * @param {string} really
   * @param {string} name
   * @param {() => Promise<unknown>} act
   */
  #twice(text, really, name, act) {
    const made = button(ofRack(text, name), () => {
      if (made.textContent === really) return void act().then(() => this.list()).then(() => this.field.focus());
      made.textContent = really;
      return made.setAttribute("aria-label", ofRack(really, name));
    }, { text, class: "lora-rack-chip" });
    return made;
  }

  /** @param {string} name */
  #insertName(name) {
    const whole = { ...newEntry(name, 1, 1), kind: /** @type {const} */ ("rack"), strength: 1 };
    this.editor.edit((rows) => rows.insert([whole]));
    void this.editor.known();
    this.close();
  }

  /** @param {string} name */
  async #insertRows(name) {
    const answer = await this.#post("rack/rows", { name });
    if (!answer) return;
    this.editor.edit((rows) => rows.insert(answer.rows));
    void this.editor.known();
    this.close();
  }

  /** @param {Event} event */
  #submitted(event) {
    event.preventDefault();
    void this.#save(this.name.value.trim(), "").then(() => this.list());
  }

  /** @param {string} name @param {string} version of the rack to replace, empty for a new one */
  async #save(name, version) {
    await this.editor.settled();
    if (this.editor.isEmpty) return this.#complain(TEXTS.empty);
    const saved = await this.#post("rack/save", { name, text: this.editor.text, version });
    if (!saved) return undefined;
    this.name.value = "";
    return setText(this.said, savedText(saved.name));
  }

  /** @param {Kept} rack @param {HTMLElement} acts */
  #askName(rack, acts) {
    const input = element("input", {
      type: "text", value: rack.name, class: "lora-rack-search", "aria-label": ofRack(TEXTS.newName, rack.name),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key !== "Enter") return;
        const { name, version } = rack;
        void this.#post("rack/rename", { name, to: input.value.trim(), version }).then(() => this.list());
      },
    });
    acts.replaceChildren(input);
    input.select();
    input.focus({ preventScroll: true });
  }

  /** @param {string} name */
  async #export(name) {
    const rack = await this.#try(() => this.editor.server.ask(`rack?${new URLSearchParams({ name })}`));
    if (!rack) return;
    const href = URL.createObjectURL(new Blob([rack.text], { type: "text/plain" }));
    element("a", { href, download: `${name}.txt` }).click();
    URL.revokeObjectURL(href);
  }

  async #import() {
    const file = this.file.files?.[0];
    if (!file) return;
    const name = file.name.replace(/\.txt$/i, "");
    const saved = await this.#post("rack/save", { name, text: await file.text(), version: "" });
    this.file.value = "";
    await this.list();
    if (saved) setText(this.said, savedText(name));
  }

  /** @param {string} path @param {object} body */
  #post(path, body) {
    this.wrong.hidden = true;
    return this.#try(() => this.editor.server.post(path, body));
  }

  /** @param {() => Promise<any>} question */
  async #try(question) {
    try {
      return await question();
    } catch (error) {
      return this.#complain(problemOf(error).message);
    }
  }

  /** @param {string} message */
  #complain(message) {
    this.wrong.hidden = false;
    setText(this.wrong, message);
    return null;
  }
}
