// The strength of a row drawn over the sampling: points to drag, to move with the keys, to add and to remove.

import { fill } from "../language.js";
import { element, svg } from "../parts/dom.js";
import { showNumber } from "../parts/numbers.js";
import { TEXTS } from "../texts.js";
import { strengthAt } from "./points.js";
import { cleanFraction, cleanStrength } from "./rows.js";

/**
 * @typedef {import("./points.js").Point} Point
 *
 * @typedef {object} CurveHooks
 * @property {(points: Point[], isGesture: boolean) => void} changed
 * @property {() => void} ended
 */

const WIDTH = 240;
const HEIGHT = 64;
const MARGIN = 8;
const STEP = 0.05;
const ROOM = 0.2; // of strength, above and below what is drawn

export class CurveView {
  /**
   * @param {HTMLElement} root
   * @param {CurveHooks} hooks
   */
  constructor(root, hooks) {
    this.hooks = hooks;
    /** @type {Point[]} */
    this.points = [];
    /** @type {number | null} the point under the hand */
    this.held = null;
    this.range = { low: 0, high: 1 };
    this.line = svg("polyline", { class: "lora-rack-curve-line" });
    this.zero = svg("line", { class: "lora-rack-curve-zero", x1: "0", x2: String(WIDTH) });
    this.dots = svg("g", {});
    this.svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": TEXTS.curve });
    this.svg.append(this.zero, this.line, this.dots);
    this.svg.addEventListener("pointerdown", (event) => this.#grip(event));
    this.svg.addEventListener("pointermove", (event) => this.#drag(event));
    this.svg.addEventListener("pointerup", () => this.#release());
    this.svg.addEventListener("pointercancel", () => this.#release());
    root.append(this.svg, element("div", { class: "lora-rack-faint" }, TEXTS.curveHint));
  }

  /** @param {Point[]} points */
  show(points) {
    this.points = points;
    if (this.held === null) this.range = rangeOf(points); // the scale stands still under the hand
    const ends = [{ place: 0, strength: strengthAt(points, 0) }, { place: 1, strength: strengthAt(points, 1) }];
    const corners = [ends[0], ...points, ends[1]];
    this.line.setAttribute("points", corners.map((point) => this.#at(point).join(",")).join(" "));
    const [, zero] = this.#at({ place: 0, strength: 0 });
    this.zero.setAttribute("y1", String(zero));
    this.zero.setAttribute("y2", String(zero));
    while (this.dots.childElementCount > points.length) this.dots.lastElementChild?.remove();
    while (this.dots.childElementCount < points.length) this.dots.append(this.#makeDot(this.dots.childElementCount));
    points.forEach((point, index) => this.#place(this.dots.children[index], point));
  }

  /** @param {Point} point */
  #at({ place, strength }) {
    const { low, high } = this.range;
    const x = MARGIN + place * (WIDTH - 2 * MARGIN);
    return [x, HEIGHT - MARGIN - ((strength - low) / (high - low)) * (HEIGHT - 2 * MARGIN)];
  }

  /** @param {Element} dot @param {Point} point */
  #place(dot, point) {
    const [x, y] = this.#at(point);
    dot.setAttribute("cx", String(x));
    dot.setAttribute("cy", String(y));
    dot.setAttribute("aria-valuenow", String(point.strength));
    dot.setAttribute("aria-valuetext",
      fill(TEXTS.curvePoint, { strength: showNumber(point.strength), place: `${Math.round(point.place * 100)} %` }));
  }

  /** @param {number} index */
  #makeDot(index) {
    const dot = svg("circle", { r: "5", tabindex: "0", role: "slider", "aria-label": TEXTS.curve });
    dot.addEventListener("keydown", (event) => this.#key(/** @type {KeyboardEvent} */ (event), index));
    return dot;
  }

  /** @param {KeyboardEvent} event @param {number} index */
  #key(event, index) {
    const { place, strength } = this.points[index];
    const step = event.shiftKey ? STEP / 5 : STEP;
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowUp: () => this.#move(index, place, strength + step, false),
      ArrowDown: () => this.#move(index, place, strength - step, false),
      ArrowLeft: () => this.#move(index, place - step, strength, false),
      ArrowRight: () => this.#move(index, place + step, strength, false),
      Delete: () => this.#remove(index),
      Backspace: () => this.#remove(index),
    };
    const action = actions[event.key];
    event.stopPropagation(); // the row and the graph have keys of their own
    if (!action) return;
    event.preventDefault();
    action();
  }

  /** @param {number} index @param {number} place @param {number} strength @param {boolean} isGesture */
  #move(index, place, strength, isGesture) {
    const least = this.points[index - 1]?.place ?? 0;
    const most = this.points[index + 1]?.place ?? 1;
    const moved = [...this.points];
    moved[index] = {
      place: Math.min(most, Math.max(least, cleanFraction(place))), strength: cleanStrength(strength),
    };
    this.show(moved);
    this.hooks.changed(moved, isGesture);
  }

  /** @param {number} index */
  #remove(index) {
    if (this.points.length === 1) return; // a curve without points is none: that is what "constant" is for
    this.hooks.changed(this.points.filter((_, other) => other !== index), false);
    /** @type {SVGElement | undefined} */ (this.dots.children[Math.max(0, index - 1)])?.focus();
  }

  /** @param {PointerEvent} event */
  #grip(event) {
    event.preventDefault();
    event.stopPropagation();
    const index = [...this.dots.children].indexOf(/** @type {Element} */ (event.target));
    this.svg.setPointerCapture(event.pointerId);
    if (index >= 0) {
      this.held = index;
      return /** @type {SVGElement} */ (this.dots.children[index]).focus();
    }
    const { place, strength } = this.#under(event);
    const after = this.points.findIndex((point) => point.place > place);
    this.held = after < 0 ? this.points.length : after;
    const added = [...this.points];
    added.splice(this.held, 0, { place, strength });
    this.show(added);
    return this.hooks.changed(added, true);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    if (this.held === null) return;
    const { place, strength } = this.#under(event);
    this.#move(this.held, place, strength, true);
  }

  #release() {
    if (this.held === null) return;
    this.held = null;
    this.show(this.points);
    this.hooks.ended();
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point} what is under it, to a twentieth of a strength and a hundredth of the sampling
   */
  #under(event) {
    const box = this.svg.getBoundingClientRect(); // of the screen, whatever the zoom of the graph
    const x = ((event.clientX - box.left) / box.width) * WIDTH;
    const y = ((event.clientY - box.top) / box.height) * HEIGHT;
    const { low, high } = this.range;
    const place = cleanFraction((x - MARGIN) / (WIDTH - 2 * MARGIN));
    const share = Math.min(1, Math.max(0, (HEIGHT - MARGIN - y) / (HEIGHT - 2 * MARGIN)));
    const strength = low + share * (high - low);
    return { place: Math.round(place * 100) / 100, strength: cleanStrength(Math.round(strength / STEP) * STEP) };
  }
}

/**
 * @param {Point[]} points
 * @returns {{low: number, high: number}} the strengths the drawing shows: what is there and some room above
 */
function rangeOf(points) {
  const strengths = points.map(({ strength }) => strength);
  const [lowest, highest] = [Math.min(...strengths), Math.max(...strengths)];
  const high = Math.max(1, Math.ceil((highest + ROOM) * 2) / 2);
  return { low: lowest < 0 ? Math.floor((lowest - ROOM) * 2) / 2 : 0, high };
}
