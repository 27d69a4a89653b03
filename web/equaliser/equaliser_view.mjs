// An equaliser on the screen: its bars, what acts on all of them, and its text.

import { button, element, setAttribute, setText } from "../parts/dom.js";
import { Bars, energyOf, showWeight } from "./bars.mjs";
import { inverted } from "./curve.js";
import { WHOLE } from "./equaliser.js";
import { alternativesText, familyText, shareText, TEXTS } from "./texts.js";

/** @typedef {import("./curve.js").Block} Block @typedef {import("./equaliser.js").Equaliser} Equaliser */

const COPIED_MS = 1200;

export class EqualiserView {
  /**
   * @param {Equaliser} equaliser
   * @param {HTMLElement} root the element to fill
   */
  constructor(equaliser, root) {
    this.equaliser = equaliser;
    /** @type {Block | null} */
    this.pointed = null;
    /** @type {() => void} */
    this.onDrawn = () => {};
    this.bars = new Bars(equaliser, (block) => {
      this.pointed = block;
      this.#drawReadout();
    });
    this.family = element("span", { class: "lora-rack-eq-family" });
    this.part = element("select", {
      class: "lora-rack-eq-select", "aria-label": TEXTS.part, title: TEXTS.part,
      onchange: () => void equaliser.showPart(this.part.value),
    });
    this.presets = element("select", {
      class: "lora-rack-eq-select lora-rack-eq-presets", "aria-label": TEXTS.presets, title: TEXTS.presets,
      onchange: () => this.#choosePreset(this.presets.value),
    });
    this.invert = button(TEXTS.invert, () => equaliser.set(this.#inverted()), { icon: "invert", class: "lora-rack-quiet" });
    this.reset = button(TEXTS.reset, () => this.#resetAll(), { icon: "reset", class: "lora-rack-quiet" });
    this.copy = button(TEXTS.copy, () => void this.#copyText(), { icon: "copy", class: "lora-rack-quiet" });
    this.readout = element("span", { class: "lora-rack-eq-readout", "aria-hidden": "true" });
    this.notice = element("div", { class: "lora-rack-notice lora-rack-eq-notice", role: "alert" });
    this.text = element("input", {
      class: "lora-rack-eq-text", type: "text", "aria-label": TEXTS.text, placeholder: TEXTS.placeholder,
      spellcheck: "false", autocomplete: "off",
      onchange: () => this.#chosen(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#textKey(event),
    });
    this.shownText = "";
    this.element = root;
    setAttribute(root, "role", "group");
    setAttribute(root, "aria-label", TEXTS.equaliser);
    root.append(
      element("div", { class: "lora-rack-eq-head" }, this.part, this.presets, this.invert, this.reset, this.family),
      this.readout, this.bars.element, this.notice,
      element("div", { class: "lora-rack-eq-foot" }, this.text, this.copy));
    for (const kind of ["pointerdown", "pointermove", "pointerup", "copy", "cut", "paste", "dblclick", "contextmenu"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation()); // else the host drags the node, or pastes nodes
    }
    equaliser.draw = () => this.draw();
    this.draw();
  }

  draw() {
    const { equaliser } = this;
    const { profile, curve, isWired } = equaliser;
    const isShown = profile !== null && curve !== null;
    this.bars.element.hidden = !isShown;
    setAttribute(this.element, "aria-busy", equaliser.isReading ? "true" : "false");
    this.element.classList.toggle("is-wired", isWired);
    if (isShown) this.bars.draw();
    setText(this.family, profile ? familyText(profile) : "");
    setAttribute(this.family, "title", profile?.alternatives.length ? alternativesText(profile.alternatives) : null);
    // A text that means nothing for this LoRA can still be replaced.
    for (const control of [this.reset, this.presets]) control.disabled = isWired || profile === null;
    this.invert.disabled = isWired || !isShown;
    this.#drawParts();
    this.#drawPresets();
    this.#drawReadout();
    this.#drawNotice();
    this.text.readOnly = isWired;
    if (!this.isTyping) this.#showText();
    this.onDrawn();
  }

  /** What is half typed is the person's; what the server says draws the field anew at any moment. */
  get isTyping() {
    return document.activeElement === this.text && this.text.value !== this.shownText;
  }

  #showText() {
    this.shownText = this.equaliser.text;
    if (this.text.value !== this.shownText) this.text.value = this.shownText;
  }

  #drawParts() {
    const { profile, curve, part } = this.equaliser;
    const set = curve?.setParts ?? [];
    const options = [WHOLE, ...(profile?.elements ?? [])];
    const key = options.map((name) => (set.includes(name) ? `${name}*` : name)).join(" ");
    if (this.part.dataset.shown !== key) {
      this.part.dataset.shown = key;
      this.part.replaceChildren(...options.map((name) =>
        element("option", { value: name }, `${name || TEXTS.whole}${set.includes(name) ? " •" : ""}`)));
    }
    this.part.value = part;
    this.part.disabled = options.length < 2;
    const label = part ? TEXTS.resetPart : TEXTS.reset;
    setAttribute(this.reset, "aria-label", label);
    setAttribute(this.reset, "title", label);
  }

  #drawReadout() {
    const { pointed, equaliser } = this;
    const block = pointed && equaliser.blocks.find(({ id }) => id === pointed.id);
    if (!block) {
      const hint = equaliser.profile ? TEXTS.hint : "";
      return this.readout.replaceChildren(element("span", { class: "lora-rack-faint" }, hint));
    }
    const { part } = equaliser;
    const has = block.isPresent && (!part || part in block.elements);
    const energy = has ? shareText(energyOf(block, part)) : TEXTS.lacking;
    return this.readout.replaceChildren(
      element("strong", {}, block.id), element("b", {}, showWeight(equaliser.weights[block.id])),
      element("span", { class: "lora-rack-faint" }, energy));
  }

  #drawNotice() {
    const { problem, profile, curve, isReading, isWired, name } = this.equaliser;
    const waits = isReading && !(profile && curve) ? TEXTS.reading : "";
    const said = problem?.message || (isWired ? TEXTS.wired : "") || waits || (name ? "" : TEXTS.noLora);
    this.notice.hidden = said === "";
    this.notice.classList.toggle("is-calm", !problem);
    setText(this.notice, said);
  }

  #inverted() {
    const { blocks, weights, part } = this.equaliser;
    return inverted(blocks.filter((block) => !part || part in block.elements), weights);
  }

  #resetAll() {
    const { equaliser } = this;
    if (equaliser.part === WHOLE) return void equaliser.choose("", equaliser.texts.elements);
    return equaliser.set(Object.fromEntries(equaliser.blocks.map(({ id }) => [id, null])));
  }

  #drawPresets() {
    const { profile, texts } = this.equaliser;
    const presets = profile?.presets ?? [];
    const key = presets.map(({ name }) => name).join(" ");
    if (this.presets.dataset.shown !== key) {
      this.presets.dataset.shown = key;
      const groups = new Map(presets.map(({ source }) => [source, element("optgroup", { label: sourceName(source) })]));
      for (const { name, source } of presets) groups.get(source)?.append(element("option", { value: name }, name));
      this.presets.replaceChildren(element("option", { value: "" }, TEXTS.presets), ...groups.values());
    }
    const chosen = [texts.blocks, texts.elements].find((text) => presets.some(({ name }) => name === text));
    this.presets.value = chosen ?? "";
    this.presets.hidden = presets.length === 0;
  }

  /** @param {string} name */
  #choosePreset(name) {
    const { profile, texts } = this.equaliser;
    const chosen = profile?.presets.find((preset) => preset.name === name);
    if (!chosen) return void this.equaliser.choose("", texts.elements);
    if (chosen.isOfElements) return void this.equaliser.choose(texts.blocks, name);
    return void this.equaliser.choose(name, texts.elements);
  }

  async #copyText() {
    await this.equaliser.settled();
    await navigator.clipboard.writeText(this.equaliser.text);
    this.copy.classList.add("is-done");
    this.copy.title = TEXTS.copied;
    window.setTimeout(() => {
      this.copy.classList.remove("is-done");
      this.copy.title = TEXTS.copy;
    }, COPIED_MS);
  }

  #chosen() {
    this.shownText = this.text.value;
    if (this.shownText !== this.equaliser.text) void this.equaliser.choose(this.shownText);
  }

  /** @param {KeyboardEvent} event */
  #textKey(event) {
    event.stopPropagation();
    if (event.key === "Escape") this.#showText();
  }
}

/** @param {string} source a repository and a file in it */
function sourceName(source) {
  return source.split(",")[0].split("/").at(-1) ?? source;
}
