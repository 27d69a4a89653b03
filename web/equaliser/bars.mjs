// The bars of an equaliser: drawn across with the mouse, or one at a time by wheel and keys.

import { captureWheel, element, setAttribute, setText } from "../parts/dom.js";
import { cleaned, labelStep, scaleFor, snapped, stroke } from "./curve.js";
import { barLabel, barValueText, shareText, TEXTS } from "./texts.js";

/**
 * @typedef {import("./curve.js").Block} Block
 * @typedef {import("./equaliser.js").Equaliser} Equaliser
 * @typedef {{bar: HTMLElement, block: Block}} Bar
 */

const STEP = 0.05;
const FINE_STEP = 0.01;
const LEAP = 0.25;
const FINE_SPEED = 0.1;
const CLICK_PX = 3;

export class Bars {
  /**
   * @param {Equaliser} equaliser
   * @param {(block: Block | null) => void} pointedAt which bar the hand or the focus is on
   */
  constructor(equaliser, pointedAt) {
    this.equaliser = equaliser;
    this.pointedAt = pointedAt;
    /** @type {Bar[]} */
    this.bars = [];
    this.scale = scaleFor([]);
    this.current = 0;
    this.field = element("div", {
      class: "lora-rack-eq-bars", role: "group",
      onpointerdown: (/** @type {PointerEvent} */ event) => this.#grab(event),
      onpointermove: (/** @type {PointerEvent} */ event) => this.#hover(event),
      onpointerleave: () => this.pointedAt(this.#focused()),
      ondblclick: (/** @type {MouseEvent} */ event) => this.#reset(this.bars[this.#placeAt(event.clientX)]),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      onwheel: (/** @type {WheelEvent} */ event) => this.#wheel(event),
      onfocusin: () => this.#focusMoved(),
      onfocusout: () => this.#focusLeft(),
    });
    this.numbers = element("div", { class: "lora-rack-eq-scale", "aria-hidden": "true" });
    this.names = element("div", { class: "lora-rack-eq-names", "aria-hidden": "true" });
    this.element = element("div", { class: "lora-rack-eq-field" }, this.numbers, this.field, this.names);
    this.made = "";
    this.isDrawing = false;
  }

  draw() {
    const { blocks, weights, part } = this.equaliser;
    const made = blocks.map((block) => block.id).join(" ");
    if (made !== this.made) this.#make(blocks, made);
    // Under the hand the scale stands still.
    if (!this.isDrawing) this.#fit(Object.values(weights));
    const energies = blocks.map((block) => energyOf(block, part));
    const most = Math.max(...energies, 1e-12);
    setAttribute(this.field, "aria-label", part ? `${TEXTS.equaliser}: ${part}` : TEXTS.equaliser);
    this.bars.forEach(({ bar, block }, place) => {
      const value = weights[block.id];
      const has = block.isPresent && (!part || part in block.elements);
      bar.classList.toggle("is-lacking", !has);
      bar.classList.toggle("is-following", Boolean(part) && !this.equaliser.isOwn(block.id));
      bar.classList.toggle("is-below", value < 0);
      const [zero, here] = [this.#height(0), this.#height(value)];
      bar.style.setProperty("--rack-low", `${Math.min(zero, here)}%`);
      bar.style.setProperty("--rack-tall", `${Math.abs(here - zero)}%`);
      // The eye compares lengths of the change, not of its square.
      bar.style.setProperty("--rack-energy", `${Math.sqrt(energies[place] / most) * (100 - zero)}%`);
      setAttribute(bar, "aria-label", barLabel(block.id, part));
      setAttribute(bar, "aria-valuemin", this.scale.low);
      setAttribute(bar, "aria-valuemax", this.scale.high);
      setAttribute(bar, "aria-valuenow", value);
      setAttribute(bar, "aria-disabled", !has || this.equaliser.isWired ? "true" : "false");
      const energy = has ? shareText(energies[place]) : TEXTS.lacking;
      setAttribute(bar, "aria-valuetext", barValueText(showWeight(value), energy));
      setAttribute(bar, "tabindex", place === this.current ? "0" : "-1");
    });
  }

  /** @param {Block[]} blocks @param {string} made */
  #make(blocks, made) {
    this.made = made;
    this.current = Math.max(0, blocks.findIndex((block) => block.isPresent));
    const columns = `repeat(${blocks.length}, minmax(0, 1fr))`;
    this.field.style.gridTemplateColumns = columns;
    this.names.style.gridTemplateColumns = columns;
    this.bars = blocks.map((block, place) => {
      const starts = place > 0 && blocks[place - 1].kind !== block.kind;
      const bar = element("div", {
        class: "lora-rack-eq-bar", role: "slider", "aria-orientation": "vertical",
      }, element("i", {}));
      bar.classList.toggle("is-first", starts);
      return { bar, block };
    });
    this.field.replaceChildren(...this.bars.map(({ bar }) => bar), element("span", { class: "lora-rack-eq-one" }));
    this.names.replaceChildren(...this.#nameKinds(blocks));
  }

  /** @param {Block[]} blocks */
  *#nameKinds(blocks) {
    const step = labelStep(blocks.length);
    for (let start = 0; start < blocks.length;) {
      const { kind } = blocks[start];
      let end = start;
      while (end < blocks.length && blocks[end].kind === kind) end++;
      const isAlone = end - start === 1;
      const look = isAlone ? "lora-rack-eq-alone" : "lora-rack-eq-kind";
      const name = element("span", { class: look }, isAlone ? blocks[start].id : kind);
      name.style.gridColumn = `${start + 1} / ${end + 1}`;
      name.classList.toggle("is-first", start > 0);
      yield name;
      for (let place = start; !isAlone && place < end; place++) {
        const number = Number(blocks[place].id.slice(kind.length));
        if (number % step) continue;
        const label = element("span", { class: "lora-rack-eq-number" }, String(number));
        label.style.gridColumn = String(place + 1);
        label.classList.toggle("is-first", place === start && start > 0);
        yield label;
      }
      start = end;
    }
  }

  /** @param {number[]} values */
  #fit(values) {
    const scale = scaleFor(values);
    const key = `${scale.low} ${scale.high}`;
    if (this.numbers.dataset.shown === key) return;
    this.scale = scale;
    this.numbers.dataset.shown = key;
    const marks = [];
    const step = scale.high - scale.low > 4 ? 2 : scale.high - scale.low > 2.5 ? 1 : 0.5;
    for (let mark = Math.ceil(scale.low / step) * step; mark <= scale.high; mark += step) marks.push(mark);
    this.numbers.replaceChildren(...marks.map((mark) => {
      const label = element("span", {});
      setText(label, String(mark));
      label.style.bottom = `${this.#height(mark)}%`;
      return label;
    }));
    this.field.style.setProperty("--rack-one", `${this.#height(1)}%`);
    this.field.style.setProperty("--rack-zero", `${this.#height(0)}%`);
  }

  /** @param {number} value @returns {number} percent of the field, from below */
  #height(value) {
    return (100 * (value - this.scale.low)) / (this.scale.high - this.scale.low);
  }

  /** @param {number} clientY */
  #valueAt(clientY) {
    const box = this.field.getBoundingClientRect();
    const { low, high } = this.scale;
    return low + ((box.bottom - clientY) / box.height) * (high - low);
  }

  /** @param {number} clientX */
  #placeAt(clientX) {
    const place = this.bars.findIndex(({ bar }) => clientX < bar.getBoundingClientRect().right);
    return place < 0 ? this.bars.length - 1 : place;
  }

  #focused() {
    return this.bars.find(({ bar }) => bar === document.activeElement)?.block ?? null;
  }

  /** The focus may come by key, by hand, or by what reads the page aloud. */
  #focusMoved() {
    const place = this.bars.findIndex(({ bar }) => bar === document.activeElement);
    if (place >= 0 && place !== this.current) this.#focus(place);
    captureWheel(this.field, place >= 0);
    this.pointedAt(this.#focused());
  }

  #focusLeft() {
    captureWheel(this.field, false);
    this.pointedAt(null);
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    if (!this.isDrawing && this.bars.length) this.pointedAt(this.bars[this.#placeAt(event.clientX)].block);
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !this.bars.length || this.equaliser.isWired) return;
    event.preventDefault();
    event.stopPropagation();
    const start = this.#placeAt(event.clientX);
    this.#focus(start);
    const { weights } = this.equaliser;
    let last = { place: start, value: weights[this.bars[start].block.id], y: event.clientY };
    let hasMoved = false;
    const draw = (/** @type {PointerEvent} */ now) => {
      const isFine = now.shiftKey;
      const place = this.#placeAt(now.clientX);
      const fine = last.value + (this.#valueAt(now.clientY) - this.#valueAt(last.y)) * FINE_SPEED;
      const value = isFine ? fine : this.#valueAt(now.clientY);
      const from = hasMoved ? last : { place, value };
      this.#set(stroke(this.#usable(), from, { place, value }, isFine), true);
      this.pointedAt(this.bars[place].block);
      last = { place, value, y: now.clientY };
      hasMoved = true;
    };
    const released = new AbortController();
    const { signal } = released;
    this.isDrawing = true;
    this.field.setPointerCapture(event.pointerId);
    // A press sets at once; with Shift, which sets by how far the hand goes, only a move does.
    if (!event.shiftKey && event.detail < 2) draw(event);
    this.field.addEventListener("pointermove", (now) => {
      now.stopPropagation();
      if (hasMoved || Math.hypot(now.clientX - event.clientX, now.clientY - event.clientY) >= CLICK_PX) draw(now);
    }, { signal });
    const end = () => {
      released.abort();
      this.isDrawing = false;
      this.equaliser.endGesture();
      this.draw();
    };
    this.field.addEventListener("pointerup", end, { signal });
    this.field.addEventListener("pointercancel", end, { signal });
  }

  /** The blocks as a hand may set them: an element only where the file has it. */
  #usable() {
    const { part } = this.equaliser;
    return this.bars.map(({ block }) => ({ ...block, isPresent: block.isPresent && (!part || part in block.elements) }));
  }

  /** @param {Record<string, number>} set @param {boolean} [isGesture] */
  #set(set, isGesture = false) {
    const { weights } = this.equaliser;
    const changed = Object.entries(set).filter(([id, value]) => weights[id] !== value);
    if (changed.length) this.equaliser.set(Object.fromEntries(changed), isGesture);
  }

  /** @param {Bar | undefined} bar */
  #reset(bar) {
    if (bar && this.#canSet(bar)) this.equaliser.set({ [bar.block.id]: null });
  }

  /** @param {Bar} bar */
  #canSet({ bar }) {
    return bar.getAttribute("aria-disabled") !== "true";
  }

  /** @param {number} place */
  #focus(place) {
    this.bars[this.current]?.bar.setAttribute("tabindex", "-1");
    this.current = place;
    this.bars[place].bar.setAttribute("tabindex", "0");
    this.bars[place].bar.focus({ preventScroll: true });
  }

  /** @param {number} by */
  #nudge(by) {
    const bar = this.bars[this.current];
    if (!bar || !this.#canSet(bar)) return;
    const value = snapped(this.equaliser.weights[bar.block.id] + by, true);
    this.#set({ [bar.block.id]: value });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.bars.length) return;
    const last = this.bars.length - 1;
    const step = event.shiftKey ? FINE_STEP : STEP;
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: Math.max(0, this.current - 1), ArrowRight: Math.min(last, this.current + 1), Home: 0, End: last,
    };
    /** @type {Record<string, number>} */
    const steps = { ArrowUp: step, ArrowDown: -step, PageUp: LEAP, PageDown: -LEAP };
    const bar = this.bars[this.current];
    if (event.key in places) this.#focus(places[event.key]);
    else if (event.key in steps) this.#nudge(steps[event.key]);
    else if (event.key === "Delete" || event.key === "Backspace") this.#reset(bar);
    else if (/^\d$/.test(event.key) && this.#canSet(bar)) this.#set({ [bar.block.id]: cleaned(Number(event.key)) });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // Only with a bar in focus: a wheel that passes over zooms the graph.
    if (!this.#focused() || event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    const direction = -Math.sign(event.deltaY || event.deltaX);
    this.#nudge(direction * (event.shiftKey ? FINE_STEP : STEP));
  }
}

/** @param {number} value */
export function showWeight(value) {
  const exact = String(value);
  const fixed = value.toFixed(2);
  return exact.length > fixed.length ? exact : fixed;
}

/** @param {Block} block @param {string} part */
export function energyOf(block, part) {
  return part ? block.elements[part] ?? 0 : block.share;
}
