// Where the pictures are seen: two blended, or two side by side with a divider.

import { element, setAttribute, setText } from "../parts/dom.js";
import { showStrength } from "./frames.mjs";
import { TEXTS } from "./texts.mjs";
import { holdPointer } from "./track.mjs";

/**
 * @typedef {import("./frames.mjs").Frames} Frames
 * @typedef {import("./result.js").Frame} Frame
 */

const STEP = 0.02;
const LEAP = 0.1;
const MOST_HELD = 24; // pictures, so that a page with many scrubbers stays small

export class Stage {
  /**
   * @param {(file: import("./result.js").FileReference) => string} urlOf
   * @param {{moved: () => void, lost: () => void}} hooks `lost`: a picture is no longer there
   */
  constructor(urlOf, hooks) {
    this.urlOf = urlOf;
    this.hooks = hooks;
    /** @type {Map<Frame, HTMLImageElement>} pictures loaded ahead, so that none flickers in */
    this.images = new Map();
    /** @type {Frames | null} */
    this.frames = null;
    this.left = element("span", { class: "lora-rack-scrub-caption is-left" });
    this.right = element("span", { class: "lora-rack-scrub-caption is-right" });
    this.divider = element("span", {
      class: "lora-rack-scrub-divider", role: "slider", tabindex: "0", "aria-label": TEXTS.divider,
      "aria-valuemin": "0", "aria-valuemax": "100",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.picture = element("div", {
      class: "lora-rack-scrub-picture",
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#grab(event),
    }, this.left, this.right, this.divider);
    this.element = element("div", { class: "lora-rack-scrub-stage" }, this.picture);
  }

  /** @param {Frames} frames */
  load(frames) {
    for (const image of this.images.values()) image.remove();
    this.images = new Map();
    this.#hold(frames);
  }

  /**
   * Hold the pictures one can come to with the next move, and of those seen before as many as there is room for.
   *
   * @param {Frames} frames
   */
  #hold(frames) {
    const wanted = new Set(frames.atHand(MOST_HELD));
    for (const frame of wanted) if (!this.images.has(frame)) this.#take(frame);
    for (const [frame, image] of this.images) {
      if (this.images.size <= MOST_HELD) return;
      if (wanted.has(frame)) continue;
      image.remove();
      this.images.delete(frame);
    }
  }

  /** @param {Frame} frame */
  #take(frame) {
    const image = element("img", {
      alt: "", draggable: "false",
      loading: "lazy", // those of a node far from the window stay on the server
      decoding: "sync", // what becomes visible is there at once; what is not visible is not decoded
      src: this.urlOf(frame),
      onerror: () => this.images.get(frame) === image && this.hooks.lost(),
      onload: () => this.images.get(frame) === image && this.#fit(image),
    });
    this.images.set(frame, image);
    this.picture.insertBefore(image, this.left);
  }

  /** @param {HTMLImageElement} image */
  #fit({ naturalWidth, naturalHeight }) {
    this.picture.style.setProperty("--rack-ratio", String(naturalWidth / naturalHeight));
  }

  /** @param {Frames} frames */
  draw(frames) {
    this.frames = frames;
    this.#hold(frames);
    const seen = frames.isWiping ? this.#wiped(frames) : frames.seen().map((one) => ({ ...one, clip: "" }));
    for (const [frame, image] of this.images) {
      const place = seen.findIndex((one) => one.frame === frame);
      image.style.visibility = place < 0 ? "hidden" : "";
      image.style.opacity = place < 0 ? "0" : String(seen[place].opacity);
      image.style.zIndex = place < 0 ? "0" : String(place + 1);
      image.style.clipPath = place < 0 ? "" : seen[place].clip;
    }
    this.divider.hidden = !frames.isWiping;
    this.right.hidden = !frames.isWiping;
    this.divider.style.left = `${frames.wipe * 100}%`;
    setAttribute(this.divider, "aria-valuenow", Math.round(frames.wipe * 100));
    const second = frames.hasTwoAxes ? ` · ${showStrength(frames.lines[frames.line])}` : "";
    const main = `${showStrength(frames.strength)}${second}`;
    setText(this.left, frames.isWiping ? `${showStrength(frames.columns[frames.other])}${second}` : main);
    setText(this.right, main);
    this.left.classList.toggle("is-main", !frames.isWiping);
  }

  /** @param {Frames} frames */
  #wiped(frames) {
    const [behind, front] = [frames.at(frames.other), frames.at(frames.nearest)];
    const clip = `inset(0 0 0 ${frames.wipe * 100}%)`;
    const shown = [{ frame: behind, opacity: 1, clip: "" }, { frame: front, opacity: 1, clip }];
    // The same picture on both sides needs no clip, and must not be cut by its own.
    return behind === front ? shown.slice(0, 1) : shown;
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !this.frames) return;
    event.preventDefault();
    event.stopPropagation();
    const box = this.picture.getBoundingClientRect();
    const move = (/** @type {PointerEvent} */ now) => {
      const { frames } = this; // a run that ends meanwhile brings others
      if (!frames) return;
      const x = (now.clientX - box.left) / box.width;
      const y = (box.bottom - now.clientY) / box.height;
      if (frames.isWiping) frames.wipeTo(x);
      else frames.goTo(frames.columnOf(frames.strengthAlong(x)), y * (frames.lines.length - 1));
      this.hooks.moved();
    };
    if (this.frames.isWiping) this.divider.focus({ preventScroll: true });
    holdPointer(this.picture, event, move, () => {
      this.frames?.goTo(this.frames.nearest);
      this.hooks.moved();
    });
    move(event);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { frames } = this;
    if (!frames || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = event.shiftKey ? LEAP : STEP;
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: frames.wipe - step, ArrowDown: frames.wipe - step,
      ArrowRight: frames.wipe + step, ArrowUp: frames.wipe + step, Home: 0, End: 1,
    };
    if (!(event.key in places)) return;
    frames.wipeTo(places[event.key]);
    this.hooks.moved();
    event.preventDefault();
    event.stopPropagation();
  }
}
