// A sweep of two LoRAs as a field of cells: one cell a picture, columns for the first strength, lines for the second.

import { element, setAttribute } from "../parts/dom.js";
import { showStrength } from "./frames.mjs";
import { cellText, TEXTS } from "./texts.mjs";

/** @typedef {import("./frames.mjs").Frames} Frames */

export class Grid {
  /** @param {() => void} moved */
  constructor(moved) {
    this.moved = moved;
    /** @type {Frames | null} */
    this.frames = null;
    this.element = element("div", {
      class: "lora-rack-scrub-grid", role: "grid", "aria-label": TEXTS.grid,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    /** @type {HTMLElement[][]} by line, from the lowest strength */
    this.cells = [];
  }

  /** @param {Frames} frames */
  draw(frames) {
    if (this.frames !== frames) this.#make(frames);
    this.element.hidden = !frames.hasTwoAxes;
    this.cells.forEach((cells, line) => cells.forEach((cell, column) => {
      const isHere = line === frames.line && column === frames.nearest;
      setAttribute(cell, "aria-selected", isHere ? "true" : "false");
      setAttribute(cell, "tabindex", isHere ? "0" : "-1");
    }));
  }

  /** @param {Frames} frames */
  #make(frames) {
    this.frames = frames;
    this.cells = frames.lines.map((second, line) => frames.columns.map((first, column) => element("button", {
      type: "button", role: "gridcell", "aria-label": cellText(showStrength(first), showStrength(second)),
      title: cellText(showStrength(first), showStrength(second)),
      onclick: () => this.#goTo(column, line),
    })));
    this.element.style.setProperty("--rack-columns", String(frames.columns.length));
    // The strongest line stands on top, as up on the picture is more.
    this.element.replaceChildren(...[...this.cells].reverse().map((cells) => element("div", { role: "row" }, ...cells)));
  }

  /** @param {number} column @param {number} line */
  #goTo(column, line) {
    const { frames } = this;
    if (!frames) return;
    frames.goTo(column, line);
    this.moved();
    this.cells[frames.line][frames.nearest].focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { frames } = this;
    if (!frames || event.altKey || event.ctrlKey || event.metaKey) return;
    const { nearest: column, line } = frames;
    /** @type {Record<string, [number, number]>} */
    const places = {
      ArrowLeft: [column - 1, line], ArrowRight: [column + 1, line], ArrowUp: [column, line + 1],
      ArrowDown: [column, line - 1], Home: [0, line], End: [frames.columns.length - 1, line],
    };
    if (!(event.key in places)) return;
    this.#goTo(...places[event.key]);
    event.preventDefault();
    event.stopPropagation();
  }
}
