// The measures over the strength: one strip a measure, each on its own scale, all under the same track.

import { element, setText, svg } from "../parts/dom.js";
import { MEASURES } from "./frames.mjs";
import { TEXTS } from "./texts.mjs";

/** @typedef {import("./frames.mjs").Frames} Frames */

const HEIGHT_PX = 24;
const EDGE_PX = 4;

export class Chart {
  constructor() {
    this.strips = MEASURES.map((measure) => (
      { measure, plot: svg("svg", {}), value: element("span", { class: "lora-rack-scrub-value" }) }));
    this.elements = this.strips.flatMap(({ measure, plot, value }) => {
      plot.setAttribute("class", "lora-rack-scrub-plot");
      plot.setAttribute("aria-hidden", "true"); // the track says every number
      return [element("span", { class: "lora-rack-scrub-label" }, TEXTS[measure]), plot, value];
    });
    /** @type {Frames | null} */
    this.drawn = null;
    this.key = "";
  }

  /** @param {Frames} frames */
  draw(frames) {
    const key = `${frames.line} ${frames.latent}`;
    if (this.drawn !== frames || this.key !== key) {
      this.drawn = frames;
      this.key = key;
      for (const { measure, plot } of this.strips) plot.replaceChildren(...linesOf(frames, measure));
    }
    const x = `${frames.along(frames.strength) * 100}%`;
    for (const { measure, plot, value } of this.strips) {
      const head = plot.querySelector(".is-head");
      head?.setAttribute("x1", x);
      head?.setAttribute("x2", x);
      plot.querySelectorAll("circle.is-here").forEach((dot, column) => {
        dot.setAttribute("r", column === frames.nearest ? "3" : "1.75");
      });
      setText(value, showMeasure(frames.at(frames.nearest)?.measures[measure]));
    }
  }
}

/** @param {Frames} frames @param {string} measure */
function linesOf(frames, measure) {
  const { low, high } = frames.range(measure);
  const y = (/** @type {number} */ value) =>
    high > low ? HEIGHT_PX - EDGE_PX - ((value - low) / (high - low)) * (HEIGHT_PX - 2 * EDGE_PX) : HEIGHT_PX / 2;
  const x = (/** @type {number} */ strength) => `${frames.along(strength) * 100}%`;
  /** @type {SVGElement[]} */
  const drawn = [svg("line", { class: "is-head", y1: 0, y2: HEIGHT_PX })];
  // The line one is on comes last, over the others.
  const lines = [...frames.lines.keys()].filter((line) => line !== frames.line).concat(frames.line);
  for (const line of lines) {
    const name = line === frames.line ? "is-here" : "is-elsewhere";
    const curve = frames.curve(measure, line);
    curve.slice(1).forEach(({ strength, value }, place) => {
      const before = curve[place];
      drawn.push(svg("line", { class: name, x1: x(before.strength), y1: y(before.value), x2: x(strength), y2: y(value) }));
    });
    if (line !== frames.line) continue;
    for (const { strength, value } of curve) drawn.push(svg("circle", { class: name, cx: x(strength), cy: y(value), r: 1.75 }));
  }
  return drawn;
}

/** @param {number | undefined} value */
export function showMeasure(value) {
  return value === undefined ? "–" : value.toFixed(3);
}
