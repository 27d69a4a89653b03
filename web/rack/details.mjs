// What unfolds below a row: trigger words, when it acts, a strength of its own for the text encoder.

import { later, lateView } from "../later.js";
import { button, element, setAttribute } from "../parts/dom.js";
import { readNumber, showNumber } from "../parts/numbers.js";
import { copyLabel, ofRow, TEXTS } from "../texts.js";
import { peakOf, pointsOf, presets, readPoints, writePoints } from "./points.js";
import { cleanFraction } from "./rows.js";

/**
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("./points.js").Point} Point
 * @typedef {import("../server.js").FileOfRow} FileOfRow
 *
 * @typedef {object} DetailHooks
 * @property {(word: string) => void} wordCopied
 * @property {() => void} separateAsked
 */

export class RowDetails {
  /**
   * @param {Row} row
   * @param {string} stem
   * @param {import("./editor.js").RackEditor} editor
   * @param {DetailHooks} hooks
   */
  constructor(row, stem, editor, hooks) {
    this.id = row.id;
    this.editor = editor;
    this.hooks = hooks;
    this.words = element("span", { class: "lora-rack-words" });
    this.start = this.#makeInput(ofRow(TEXTS.from, stem), () => this.#setWindow("start", this.start));
    this.stop = this.#makeInput(ofRow(TEXTS.to, stem), () => this.#setWindow("stop", this.stop));
    this.steps = this.#makeInput(ofRow(TEXTS.steps, stem), () => this.#setSteps());
    this.curve = this.#makeInput(ofRow(TEXTS.curve, stem), () => this.#setCurve());
    this.curve.classList.add("is-wide");
    this.steps.placeholder = "1-2";
    this.curve.placeholder = "0@0,1@0.5";
    this.separate = element("button", {
      type: "button", role: "switch", class: "lora-rack-switch", onclick: hooks.separateAsked,
    }, TEXTS.separate);
    /** @type {HTMLElement | null} the drawn curve, made when there first is one to see */
    this.drawn = null;
    /** @type {((points: Point[]) => void) | null} */
    this.drawCurve = null;
    /** @type {Point[]} */
    this.points = [];
    const faint = (/** @type {string} */ text) => element("span", { class: "lora-rack-faint" }, text);
    this.presets = element("div", { class: "lora-rack-detail" }, faint(TEXTS.curve), this.curve, ...this.#presets());
    this.element = element("div", { class: "lora-rack-details" },
      element("div", { class: "lora-rack-detail" }, faint(TEXTS.words), this.words),
      element("div", { class: "lora-rack-detail" },
        faint(TEXTS.window), this.start, faint(TEXTS.to), this.stop, faint(TEXTS.steps), this.steps),
      this.presets,
      element("div", { class: "lora-rack-detail" }, this.separate));
  }

  /**
   * @param {Row} row
   * @param {FileOfRow["card"]} card
   * @param {boolean} isSeparate
   */
  show(row, card, isSeparate) {
    setAttribute(this.separate, "aria-checked", isSeparate ? "true" : "false");
    const points = pointsOf(row);
    const values = /** @type {const} */ ([
      [this.start, showNumber(row.start)], [this.stop, showNumber(row.stop)],
      [this.steps, row.steps], [this.curve, writePoints(points)],
    ]);
    for (const [input, value] of values) {
      if (document.activeElement !== input) input.value = value; // else it may be half typed
    }
    this.#showCurve(points);
    this.#showWords(card?.words ?? []);
  }

  /** @param {string[]} words */
  #showWords(words) {
    const key = words.join("\n");
    if (this.words.dataset.shown === key) return;
    this.words.dataset.shown = key;
    this.words.replaceChildren(
      ...words.map((word) =>
        button(copyLabel(word), () => this.hooks.wordCopied(word), { text: word, class: "lora-rack-chip" }),
      ),
    );
    if (!words.length) this.words.append(element("span", { class: "lora-rack-faint" }, TEXTS.noWords));
  }

  /** @param {Point[]} points */
  #showCurve(points) {
    this.points = points;
    if (points.length && !this.drawn) {
      this.drawn = lateView("lora-rack-curve", later.curve, (root, { CurveView }) => {
        const view = new CurveView(root, {
          changed: (moved, isGesture) => this.#change(moved, isGesture),
          ended: () => this.editor.endGesture(),
        });
        this.drawCurve = (shown) => view.show(shown);
        view.show(this.points);
      });
      this.presets.after(this.drawn);
    }
    if (this.drawn) this.drawn.hidden = !points.length;
    this.drawCurve?.(points);
  }

  #presets() {
    const names = /** @type {const} */ (["rise", "fall", "riseAndFall", "firstSteps"]);
    const chips = names.map((name) =>
      button(TEXTS[name], () => this.#change(presets(this.#strength || 1)[name], false),
        { text: TEXTS[name], class: "lora-rack-chip" }));
    return [...chips, button(TEXTS.constant, () => this.#change([], false), { text: TEXTS.constant, class: "lora-rack-chip" })];
  }

  get #strength() {
    return this.editor.rows.find(this.id)?.strength_model ?? 1;
  }

  /**
   * @param {Point[]} points
   * @param {boolean} isGesture
   */
  #change(points, isGesture) {
    const row = this.editor.rows.find(this.id);
    if (!row) return;
    // The peak is the strength the fader shows. The text encoder keeps the one it has: it works before the sampling.
    const fields = points.length
      ? { curve: writePoints(points), strength_model: peakOf(points), is_clip_on_curve: false }
      : { curve: "", is_clip_on_curve: false };
    this.editor.edit((rows) => rows.change(this.id, fields), isGesture);
  }

  /** @param {string} label @param {() => void} changed */
  #makeInput(label, changed) {
    return element("input", {
      class: "lora-rack-number", type: "text", "aria-label": label, onchange: changed,
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(),
    });
  }

  #setCurve() {
    const typed = this.curve.value.trim();
    const points = typed === "" ? [] : readPoints(typed);
    if (points) this.#change(points, false);
    else this.curve.value = this.editor.rows.find(this.id)?.curve ?? "";
  }

  #setSteps() {
    const steps = this.steps.value.trim();
    if (/^(\d{1,9}\s*(-\s*(\d{1,9})?)?)?$/.test(steps)) this.editor.edit((rows) => rows.change(this.id, { steps }));
    else this.steps.value = this.editor.rows.find(this.id)?.steps ?? "";
  }

  /** @param {"start" | "stop"} field @param {HTMLInputElement} input */
  #setWindow(field, input) {
    const row = this.editor.rows.find(this.id);
    const value = readNumber(input.value.replace("%", ""));
    if (!row || value === null) {
      input.value = showNumber(row?.[field] ?? 0);
      return undefined;
    }
    const fraction = cleanFraction(input.value.includes("%") ? value / 100 : value);
    input.value = showNumber(fraction);
    const start = field === "start" ? fraction : Math.min(row.start, fraction);
    const stop = field === "stop" ? fraction : Math.max(row.stop, fraction);
    return this.editor.edit((rows) => rows.change(this.id, { start, stop }));
  }
}
