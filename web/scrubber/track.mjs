// The track one scrubs on: a thumb for the strength, a second one for the strength to compare with.

import { element, setAttribute, setText } from "../parts/dom.js";
import { showMeasure } from "./chart.mjs";
import { MEASURES, showStrength } from "./frames.mjs";
import { frameText, measureText, TEXTS } from "./texts.mjs";

/** @typedef {import("./frames.mjs").Frames} Frames */

const MOST_LABELS = 9;

export class Track {
  /** @param {() => void} moved */
  constructor(moved) {
    this.moved = moved;
    /** @type {Frames | null} */
    this.frames = null;
    this.main = this.#thumb(false);
    this.other = this.#thumb(true);
    this.picked = element("span", { class: "lora-rack-scrub-picked", "aria-hidden": "true" });
    this.marks = element("span", { class: "lora-rack-scrub-marks", "aria-hidden": "true" });
    this.element = element("div", {
      class: "lora-rack-scrub-track",
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#grab(event),
    }, this.marks, this.picked, this.other, this.main);
    this.made = "";
  }

  /** @param {Frames} frames @param {number | null} pick the strength in use */
  draw(frames, pick) {
    this.frames = frames;
    const made = frames.columns.join(" ");
    if (made !== this.made) {
      this.made = made;
      this.marks.replaceChildren(...marksOf(frames));
    }
    this.#show(this.main, frames.strength, frames.nearest);
    this.#show(this.other, frames.columns[frames.other], frames.other);
    this.other.hidden = !frames.isWiping;
    const isOnTrack = pick !== null && pick >= frames.columns[0] && pick <= frames.columns[frames.columns.length - 1];
    this.picked.hidden = !isOnTrack;
    if (isOnTrack) this.picked.style.left = `${frames.along(pick) * 100}%`;
  }

  /** @param {HTMLElement} thumb @param {number} strength @param {number} column */
  #show(thumb, strength, column) {
    const { frames } = this;
    if (!frames) return;
    thumb.style.left = `${frames.along(strength) * 100}%`;
    const measures = frames.at(column)?.measures ?? {};
    const said = MEASURES.filter((name) => name in measures).map((name) =>
      measureText(TEXTS[name], showMeasure(measures[name])));
    const second = frames.hasTwoAxes ? [showStrength(frames.lines[frames.line])] : [];
    setAttribute(thumb, "aria-valuemin", frames.columns[0]);
    setAttribute(thumb, "aria-valuemax", frames.columns[frames.columns.length - 1]);
    setAttribute(thumb, "aria-valuenow", frames.columns[column]);
    setAttribute(thumb, "aria-valuetext", frameText([showStrength(frames.columns[column]), ...second, ...said]));
  }

  /** @param {boolean} isOther */
  #thumb(isOther) {
    return element("span", {
      class: `lora-rack-scrub-thumb${isOther ? " is-other" : ""}`, role: "slider", tabindex: "0",
      "aria-label": isOther ? TEXTS.compared : TEXTS.strength,
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event, isOther),
    });
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !this.frames) return;
    event.preventDefault();
    event.stopPropagation();
    const box = this.element.getBoundingClientRect();
    const x = (/** @type {HTMLElement} */ thumb) => {
      const at = thumb.getBoundingClientRect();
      return Math.abs(event.clientX - (at.left + at.right) / 2);
    };
    const isOther = this.frames.isWiping && x(this.other) < x(this.main);
    (isOther ? this.other : this.main).focus({ preventScroll: true });
    const move = (/** @type {PointerEvent} */ now) => {
      const { frames } = this; // a run that ends meanwhile brings others
      if (!frames) return;
      const column = frames.columnOf(frames.strengthAlong((now.clientX - box.left) / box.width));
      if (isOther) frames.compareWith(column);
      else frames.goTo(frames.isWiping ? Math.round(column) : column);
      this.moved();
    };
    holdPointer(this.element, event, move, () => {
      this.frames?.goTo(this.frames.nearest); // one lets go on a picture that was rendered
      this.moved();
    });
    move(event);
  }

  /** @param {KeyboardEvent} event @param {boolean} isOther */
  #key(event, isOther) {
    const { frames } = this;
    if (!frames || event.altKey || event.ctrlKey || event.metaKey) return;
    const here = isOther ? frames.other : frames.nearest;
    const last = frames.columns.length - 1;
    const upDown = frames.hasTwoAxes ? 0 : 1;
    /** @type {Record<string, number>} */
    const columns = {
      ArrowLeft: here - 1, ArrowRight: here + 1, ArrowDown: here - upDown, ArrowUp: here + upDown, Home: 0, End: last,
    };
    if (!(event.key in columns)) return;
    const line = frames.line + (frames.hasTwoAxes ? { ArrowUp: 1, ArrowDown: -1 }[event.key] ?? 0 : 0);
    if (isOther) frames.compareWith(columns[event.key]);
    else frames.goTo(columns[event.key], line);
    this.moved();
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {Frames} frames */
function marksOf(frames) {
  const { columns } = frames;
  const isCrowded = columns.length > MOST_LABELS;
  return columns.map((strength, column) => {
    const isEnd = column === 0 || column === columns.length - 1;
    const mark = element("i", { class: strength === 0 ? "is-zero" : undefined });
    mark.style.left = `${frames.along(strength) * 100}%`;
    if (!isCrowded || isEnd || strength === 0) {
      const label = element("small", {});
      setText(label, showStrength(strength));
      mark.append(label);
    }
    return mark;
  });
}

/**
 * Follow a pressed pointer until it is let go.
 *
 * @param {HTMLElement} target
 * @param {PointerEvent} event
 * @param {(event: PointerEvent) => void} move
 * @param {() => void} end
 */
export function holdPointer(target, event, move, end) {
  const released = new AbortController();
  const { signal } = released;
  target.setPointerCapture(event.pointerId);
  target.addEventListener("pointermove", (now) => {
    now.stopPropagation();
    move(now);
  }, { signal });
  for (const kind of /** @type {const} */ (["pointerup", "pointercancel"])) {
    target.addEventListener(kind, () => {
      released.abort();
      end();
    }, { signal });
  }
}
