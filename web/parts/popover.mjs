// What floats above the graph: one panel at a time, beside what opened it, closed by Escape or a press elsewhere.

import { element } from "./dom.js";

const GAP_PX = 6;
const EDGE_PX = 8;

/** @type {Popover | null} */
let current = null;

export class Popover {
  /**
   * Open a panel. The one that was open closes.
   *
   * @param {DOMRect | {x: number, y: number}} place a box to stand below, or a point
   * @param {HTMLElement} content
   * @param {{onclose?: () => void}} [hooks]
   */
  constructor(place, content, hooks = {}) {
    current?.close();
    current = this;
    this.hooks = hooks;
    this.opener = /** @type {HTMLElement | null} */ (document.activeElement);
    this.closed = new AbortController();
    this.element = element("div", {
      class: "lora-rack-popover lora-rack-theme",
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        event.stopPropagation(); // the host has keys of its own, such as Delete
        if (event.key === "Escape") this.close();
      },
    }, content);
    for (const kind of ["pointerdown", "wheel", "paste", "copy", "cut", "contextmenu"]) {
      this.element.addEventListener(kind, (event) => event.stopPropagation());
    }
    document.body.append(this.element);
    this.#place(place);
    const { signal } = this.closed;
    // Captured, since the host's canvas stops what it takes.
    window.addEventListener("pointerdown", (event) => {
      if (event.target instanceof Node && !this.element.contains(event.target)) this.close(false);
    }, { capture: true, signal });
    window.addEventListener("resize", () => this.#place(place), { signal });
  }

  /** @param {boolean} [focusBack] */
  close(focusBack = true) {
    if (this.closed.signal.aborted) return;
    this.closed.abort();
    if (current === this) current = null;
    this.element.remove();
    if (focusBack && this.opener?.isConnected) this.opener.focus({ preventScroll: true });
    this.hooks.onclose?.();
  }

  /** @param {DOMRect | {x: number, y: number}} place */
  #place(place) {
    const box = this.element.getBoundingClientRect();
    const [top, bottom] = "bottom" in place ? [place.top, place.bottom + GAP_PX] : [place.y, place.y];
    const fitsBelow = bottom + box.height + EDGE_PX <= window.innerHeight;
    const y = fitsBelow ? bottom : Math.max(EDGE_PX, top - GAP_PX - box.height);
    const x = Math.min(place.x, window.innerWidth - box.width - EDGE_PX);
    const fits = Math.min(y, Math.max(EDGE_PX, window.innerHeight - box.height - EDGE_PX));
    this.element.style.left = `${Math.max(EDGE_PX, x)}px`;
    this.element.style.top = `${fits}px`;
  }
}
