// The helpers of all prompts in the page: finds the boxes of prompt nodes as the host makes them, and gives each its own.

import { Box } from "./box.mjs";
import { Hint } from "./hint.mjs";
import { Meanings } from "./meanings.mjs";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 * @typedef {import("./box.mjs").Owner} Owner
 *
 * @typedef {object} Host what only extension.js can do
 * @property {import("../server.js").Server} server
 * @property {(node: LGraphNode) => Widget[]} promptsOf
 * @property {(id: string) => LGraphNode | null} nodeShown in the open graph
 * @property {() => void} rememberForUndo
 */

export class Desk {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    /** @type {WeakMap<HTMLTextAreaElement, Box>} */
    this.boxes = new WeakMap();
    /** @type {Set<Box>} those in the page */
    this.shown = new Set();
    /** @type {WeakMap<Element, Owner>} of the classic rendering's boxes, which are their widgets' own */
    this.owners = new WeakMap();
    this.meanings = new Meanings(host.server, () => this.drawAll());
    this.hint = new Hint(this);
    const seen = new MutationObserver((changes) => {
      if (changes.some(({ addedNodes }) => [...addedNodes].some(holdsBox))) this.lookSoon();
    });
    seen.observe(document.body, { childList: true, subtree: true });
    document.addEventListener("selectionchange", () => this.#caretMoved());
  }

  #frame = 0;

  /** @param {LGraphNode} node with prompts */
  add(node) {
    for (const widget of this.host.promptsOf(node)) {
      if (widget.element) this.owners.set(widget.element, { node, widget });
      const { setValue } = widget.options;
      widget.options.setValue = (value) => {
        setValue?.(value);
        this.lookSoon();
      };
    }
    this.lookSoon();
  }

  lookSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#look();
    });
  }

  drawAll() {
    for (const box of this.shown) box.draw();
    this.hint.draw();
  }

  /** @param {Element | null} area */
  boxOf(area) {
    return area instanceof HTMLTextAreaElement ? this.boxes.get(area) ?? null : null;
  }

  /** Whether a list to choose from is open, which stands where the hint would. */
  get isChoosing() {
    return false;
  }

  /** @param {Box} _box @param {import("./lexer.mjs").Tag} _tag @returns {string} what became of it in the last run */
  verdictOn(_box, _tag) {
    return "";
  }

  #look() {
    this.shown.clear();
    for (const area of document.querySelectorAll("textarea")) {
      if (!this.#ownerOf(area)) continue;
      let box = this.boxes.get(area);
      if (!box) this.boxes.set(area, (box = this.#newBox(area)));
      this.shown.add(box);
      box.settle();
      if (box.text !== area.value) box.draw();
    }
  }

  /** @param {HTMLTextAreaElement} area */
  #newBox(area) {
    /** @type {Box} */
    const box = new Box(area, () => this.#ownerOf(area), this.meanings, {
      caretMoved: () => this.#caretMoved(),
      pointed: (tag) => this.hint.point(box, tag),
      key: () => false,
    });
    return box;
  }

  #caretMoved() {
    const box = this.boxOf(document.activeElement);
    this.hint.follow(box);
    for (const other of this.shown) if (other.tags.some(({ isClosed }) => !isClosed)) other.drawSoon();
  }

  /**
   * Whose value a box shows. In the new rendering a box knows the id of its node, and stands in the order of the widgets.
   *
   * @param {HTMLTextAreaElement} area
   * @returns {Owner | null}
   */
  #ownerOf(area) {
    const own = this.owners.get(area);
    if (own) return own.node.graph ? own : null;
    const shown = area.closest("[data-node-id]");
    const node = shown instanceof HTMLElement ? this.host.nodeShown(shown.dataset.nodeId ?? "") : null;
    const prompts = node ? this.host.promptsOf(node) : [];
    const place = [...(shown?.querySelectorAll("textarea") ?? [])].indexOf(area);
    const name = area.getAttribute("aria-label") ?? area.labels[0]?.textContent?.trim();
    const widget = prompts.find((one) => one.name === name || one.label === name) ?? prompts[place];
    return node && widget ? { node, widget } : null;
  }
}

/** @param {Node} node */
function holdsBox(node) {
  if (!(node instanceof HTMLElement)) return false;
  return node instanceof HTMLTextAreaElement || node.getElementsByTagName("textarea").length > 0;
}
