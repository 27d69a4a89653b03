// A fader with its number: one control for a strength. Drag, wheel, keys, typing; double click puts it back.

import { captureWheel, element, setAttribute } from "./dom.js";
import { readNumber, showNumber } from "./numbers.js";

const STEP = 0.05;
const FINE = 0.01;
const LEAP = 0.25;

/**
 * @typedef {object} FaderHooks
 * @property {(value: number, isGesture: boolean) => void} changed
 * @property {() => void} ended after the last change of a gesture
 */

export class Fader {
  /**
   * @param {string} label
   * @param {string} numberLabel of the field beside it
   * @param {FaderHooks} hooks
   * @param {{reset: number, low: number, high: number}} scale the usual range; it widens for values beyond
   */
  constructor(label, numberLabel, hooks, scale) {
    this.hooks = hooks;
    this.scale = scale;
    this.value = scale.reset;
    this.fill = element("span", { class: "lora-rack-fill" });
    this.knob = element("span", { class: "lora-rack-knob" });
    this.zero = element("span", { class: "lora-rack-tick" });
    this.one = element("span", { class: "lora-rack-tick" });
    this.track = element("div", {
      class: "lora-rack-fader", role: "slider", tabindex: "0", "aria-label": label,
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#grab(event),
      ondblclick: () => this.#set(this.scale.reset),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onwheel: (/** @type {WheelEvent} */ event) => this.#wheel(event),
      onfocus: () => captureWheel(this.track, true),
      onblur: () => captureWheel(this.track, false),
    }, this.zero, this.one, this.fill, this.knob);
    this.number = element("input", {
      class: "lora-rack-number", type: "text", inputmode: "decimal", "aria-label": numberLabel,
      spellcheck: "false", autocomplete: "off",
      onchange: () => this.#typed(),
      onfocus: () => this.number.select(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#numberKey(event),
    });
    this.shown = "";
    /** @type {{x: number, value: number, moved: boolean} | null} */
    this.grip = null;
  }

  get low() {
    return Math.min(this.scale.low, Math.floor(this.value));
  }

  get high() {
    return Math.max(this.scale.high, Math.ceil(this.value));
  }

  /** @param {number} value */
  show(value) {
    this.value = value;
    const at = (/** @type {number} */ number) => (100 * (number - this.low)) / (this.high - this.low);
    const [zero, here] = [at(0), at(value)];
    this.fill.style.left = `${Math.min(zero, here)}%`;
    this.fill.style.width = `${Math.abs(here - zero)}%`;
    this.knob.style.left = `${here}%`;
    this.zero.style.left = `${zero}%`;
    this.one.style.left = `${at(1)}%`;
    setAttribute(this.track, "aria-valuemin", this.low);
    setAttribute(this.track, "aria-valuemax", this.high);
    setAttribute(this.track, "aria-valuenow", value);
    setAttribute(this.track, "aria-valuetext", showNumber(value));
    if (!this.isTyping) this.#showNumber();
  }

  /** What is half typed is the person's: a row is drawn anew whenever the server has something to say of it. */
  get isTyping() {
    return document.activeElement === this.number && this.number.value !== this.shown;
  }

  #showNumber() {
    this.number.value = this.shown = showNumber(this.value);
  }

  /** @param {number} value @param {boolean} [isGesture] */
  #set(value, isGesture = false) {
    if (value !== this.value) this.hooks.changed(value, isGesture);
  }

  /** @param {number} value @param {number} step */
  #snap(value, step) {
    return Math.round(Math.round(value / step) * step * 1e4) / 1e4;
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0) return;
    const box = this.track.getBoundingClientRect();
    this.grip = { x: event.clientX, value: this.value, moved: false };
    const low = this.low;
    const perPixel = (this.high - low) / box.width;
    const grip = this.grip;
    // A grab beside the knob takes the knob there; one on the knob moves it from where it is.
    const knob = box.left + (this.value - low) / perPixel;
    if (Math.abs(event.clientX - knob) > 8) grip.value = low + (event.clientX - box.left) * perPixel;
    let startedFine = event.shiftKey;
    const move = (/** @type {PointerEvent} */ now) => {
      if (!grip.moved && Math.abs(now.clientX - event.clientX) < 3) return;
      if (now.shiftKey !== startedFine) {
        Object.assign(grip, { x: now.clientX, value: this.value });
        startedFine = now.shiftKey;
      }
      grip.moved = true;
      const speed = now.shiftKey ? 0.1 : 1;
      const value = grip.value + (now.clientX - grip.x) * perPixel * speed;
      this.#set(this.#snap(value, now.shiftKey ? FINE : STEP), true);
    };
    const end = (/** @type {PointerEvent} */ last) => {
      if (!grip.moved && last.type === "pointerup") {
        this.#set(this.#snap(grip.value, STEP), true);
      }
      this.grip = null;
      released.abort();
      this.hooks.ended();
    };
    const released = new AbortController();
    this.track.setPointerCapture(event.pointerId);
    this.track.addEventListener("pointermove", move, { signal: released.signal });
    this.track.addEventListener("pointerup", end, { signal: released.signal });
    this.track.addEventListener("pointercancel", end, { signal: released.signal });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const fine = event.shiftKey ? FINE : STEP;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowRight: fine, ArrowUp: fine, ArrowLeft: -fine, ArrowDown: -fine, PageUp: LEAP, PageDown: -LEAP,
    };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in steps) this.#set(this.#snap(this.value + steps[event.key], FINE));
    else if (event.key === "Home") this.#set(this.low);
    else if (event.key === "End") this.#set(this.high);
    else if (event.key === "Delete" || event.key === "Backspace") this.#set(this.scale.reset);
    else if (/^[-0-9.,]$/.test(event.key)) {
      this.number.value = event.key;
      this.number.focus();
      this.number.setSelectionRange(1, 1);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // Only with the fader in focus: a wheel that passes over scrolls the rack or zooms the graph.
    if (document.activeElement !== this.track || event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    const step = event.shiftKey ? FINE : STEP;
    const direction = Math.sign(event.deltaY || event.deltaX);
    this.#set(this.#snap(this.value - direction * step, FINE));
  }

  #typed() {
    const value = readNumber(this.number.value);
    if (value !== null) this.#set(value);
    this.#showNumber();
  }

  /** @param {KeyboardEvent} event */
  #numberKey(event) {
    event.stopPropagation();
    if (event.key === "Enter") {
      this.#typed();
      this.number.select();
    } else if (event.key === "Escape") {
      this.#showNumber();
      this.track.focus();
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      const step = (event.shiftKey ? FINE : STEP) * (event.key === "ArrowUp" ? 1 : -1);
      this.#set(this.#snap((readNumber(this.number.value) ?? this.value) + step, FINE));
      this.#showNumber();
    }
  }
}
