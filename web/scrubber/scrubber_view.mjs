// The pictures of a sweep on the screen: the stage, the track, the chart below it, and the strength in use.

import { button, element, setAttribute, setText } from "../parts/dom.js";
import { Chart } from "./chart.mjs";
import { Frames, nearestTo, showStrength } from "./frames.mjs";
import { Grid } from "./grid.mjs";
import { Stage } from "./stage.mjs";
import { pictureText, secondText, TEXTS, usedText, useLabel, useText } from "./texts.mjs";
import { Track } from "./track.mjs";

/**
 * @typedef {import("./result.js").Result} Result
 *
 * @typedef {object} Hooks
 * @property {(file: import("./result.js").FileReference) => string} urlOf
 * @property {() => number | null} pick the strength in use, null where the node has none
 * @property {(strength: number) => void} used
 */

export class ScrubberView {
  /**
   * @param {Hooks} hooks
   * @param {HTMLElement} root the element to fill
   */
  constructor(hooks, root) {
    this.hooks = hooks;
    /** @type {Frames | null} */
    this.frames = null;
    this.isLost = false;
    /** @type {() => void} */
    this.onDrawn = () => {};
    const draw = () => this.draw();
    this.stage = new Stage(hooks.urlOf, { moved: draw, lost: () => this.#lost() });
    this.track = new Track(draw);
    this.chart = new Chart();
    this.grid = new Grid(draw);
    this.blend = this.#mode(false);
    this.wipe = this.#mode(true);
    this.next = button(TEXTS.next, () => this.#nextPicture(), { text: "", class: "lora-rack-quiet" });
    this.sheet = element("a", {
      class: "lora-rack-scrub-sheet", target: "_blank", rel: "noopener", title: TEXTS.sheetHint,
    }, TEXTS.sheet);
    this.use = button("", () => this.#use(), { text: "", class: "lora-rack-scrub-use" });
    this.notice = element("div", { class: "lora-rack-scrub-notice", role: "status" });
    this.value = element("span", { class: "lora-rack-scrub-value" });
    this.second = element("span", { class: "lora-rack-faint lora-rack-scrub-second" });
    this.controls = element("div", { class: "lora-rack-scrub-bar" },
      element("div", { class: "lora-rack-scrub-modes", role: "radiogroup", "aria-label": TEXTS.scrubber },
        this.blend, this.wipe),
      this.next, this.second, this.sheet, this.use);
    this.panel = element("div", { class: "lora-rack-scrub-panel" },
      this.grid.element,
      element("div", { class: "lora-rack-scrub-rows", role: "group", "aria-label": TEXTS.chart },
        element("span", { class: "lora-rack-scrub-label" }, TEXTS.strength), this.track.element, this.value,
        ...this.chart.elements));
    this.#fill(root);
    this.draw();
  }

  /**
   * Show a result, from where one looked at the last one.
   *
   * @param {Result | null} result
   */
  show(result) {
    const before = this.frames;
    this.isLost = false;
    this.frames = result ? new Frames(result) : null;
    if (this.frames) {
      if (before) this.frames.lookLike(before);
      else this.frames.goTo(nearestTo(this.frames.columns, this.hooks.pick() ?? 0));
      this.stage.load(this.frames);
    }
    this.draw();
  }

  draw() {
    const { frames } = this;
    const isSeen = frames !== null && !this.isLost;
    for (const part of [this.stage.element, this.controls, this.panel]) part.hidden = !isSeen;
    this.notice.hidden = isSeen;
    setText(this.notice, isSeen ? "" : frames ? TEXTS.gone : TEXTS.empty);
    this.onDrawn();
    if (!isSeen) return;
    const pick = this.hooks.pick();
    this.stage.draw(frames);
    this.track.draw(frames, pick);
    this.chart.draw(frames);
    this.grid.draw(frames);
    setAttribute(this.blend, "aria-checked", frames.isWiping ? "false" : "true");
    setAttribute(this.wipe, "aria-checked", frames.isWiping ? "true" : "false");
    setText(this.value, showStrength(frames.strength));
    this.next.hidden = frames.latents < 2;
    setText(this.next, pictureText(frames.latent + 1, frames.latents));
    this.second.hidden = !frames.hasTwoAxes;
    const secondLora = nameOf(frames.result.axes[1]?.lora ?? "");
    setText(this.second, secondText(showStrength(frames.lines[frames.line]), secondLora));
    const { sheet } = frames.result;
    this.sheet.hidden = sheet === null;
    if (sheet) setAttribute(this.sheet, "href", this.hooks.urlOf(sheet));
    this.#drawUse(frames, pick);
  }

  /** @param {Frames} frames @param {number | null} pick */
  #drawUse(frames, pick) {
    const strength = frames.columns[frames.nearest];
    const shown = showStrength(strength);
    const isUsed = pick === strength;
    this.use.hidden = pick === null;
    this.use.disabled = isUsed;
    setText(this.use, isUsed ? usedText(shown) : useText(shown));
    setAttribute(this.use, "aria-label", isUsed ? usedText(shown) : useLabel(shown));
    setAttribute(this.use, "title", isUsed ? usedText(shown) : useLabel(shown));
  }

  #use() {
    if (!this.frames) return;
    this.hooks.used(this.frames.columns[this.frames.nearest]);
    this.draw();
  }

  #lost() {
    this.isLost = true;
    this.draw();
  }

  #nextPicture() {
    if (!this.frames) return;
    this.frames.latent = (this.frames.latent + 1) % this.frames.latents;
    this.draw();
  }

  /** @param {boolean} isWiping */
  #mode(isWiping) {
    return element("button", {
      type: "button", role: "radio", title: isWiping ? TEXTS.wipeHint : TEXTS.blendHint,
      onclick: () => this.#setMode(isWiping),
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key.startsWith("Arrow")) {
          event.preventDefault();
          event.stopPropagation();
          this.#setMode(!isWiping);
          (isWiping ? this.blend : this.wipe).focus();
        }
      },
    }, isWiping ? TEXTS.wipe : TEXTS.blend);
  }

  /** @param {boolean} isWiping */
  #setMode(isWiping) {
    if (!this.frames) return;
    this.frames.isWiping = isWiping;
    // Two halves of one picture show nothing.
    if (isWiping && this.frames.other === this.frames.nearest) this.frames.chooseOther();
    this.draw();
  }

  /** @param {HTMLElement} root */
  #fill(root) {
    setAttribute(root, "role", "group");
    setAttribute(root, "aria-label", TEXTS.scrubber);
    root.append(this.controls, this.stage.element, this.panel, this.notice);
    for (const kind of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
      root.addEventListener(kind, (event) => event.stopPropagation()); // else the host drags the node
    }
  }
}

/** @param {string} lora a file's name without folders and extension */
function nameOf(lora) {
  return lora.replace(/^.*[\\/]/, "").replace(/\.safetensors$/i, "");
}
