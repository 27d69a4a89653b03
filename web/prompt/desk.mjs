// The helpers of all prompts in the page: finds the boxes of prompt nodes as the host makes them, and gives each its own.

import { later } from "../later.js";
import { untaggableText } from "../texts.js";
import { Bar } from "./bar.mjs";
import { Box } from "./box.mjs";
import { Cards } from "./cards.mjs";
import { Completion } from "./completion.mjs";
import { Hint } from "./hint.mjs";
import { Meanings } from "./meanings.mjs";
import { Moves } from "./moves.mjs";
import { canBeTagged, closedTag, spelled } from "./tags.mjs";
import { put } from "./typing.mjs";

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
 * @property {() => string[]} loraNames as the host lists them
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
    this.cards = new Cards(host.server, () => this.completion.redraw());
    this.completion = new Completion(this);
    this.moves = new Moves(this);
    /** @type {WeakMap<Box, HTMLElement>} */
    this.bars = new WeakMap();
    /** @type {Map<string, string>} what became of a file in the last run that applied it */
    this.verdicts = new Map();
    this.hint = new Hint(this);
    const seen = new MutationObserver((changes) => {
      if (changes.some(({ addedNodes }) => [...addedNodes].some(holdsBox))) this.lookSoon();
    });
    seen.observe(document.body, { childList: true, subtree: true });
    document.addEventListener("selectionchange", () => this.caretMoved());
  }

  #frame = 0;

  /** @param {LGraphNode} node with prompts */
  add(node) {
    const { onConnectionsChange } = node;
    node.onConnectionsChange = (...details) => {
      onConnectionsChange?.apply(node, details);
      this.lookSoon();
    };
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

  /** Files came or went. */
  refresh() {
    this.cards.forget();
    this.meanings.forget();
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
    return this.completion.isOpen;
  }

  /** @param {import("../rack/editor.js").Verdict[]} verdicts of a run */
  judge(verdicts) {
    for (const { name, text } of verdicts) this.verdicts.set(name, text.split("\n", 1)[0]);
    this.hint.draw();
  }

  #look() {
    this.shown.clear();
    for (const area of document.querySelectorAll("textarea")) {
      if (!this.#ownerOf(area)) continue;
      let box = this.boxes.get(area);
      if (!box) this.boxes.set(area, (box = this.#newBox(area)));
      this.shown.add(box);
      box.settle();
      box.draw();
    }
  }

  /** @param {HTMLTextAreaElement} area */
  #newBox(area) {
    /** @type {Box} */
    const box = new Box(area, () => this.#ownerOf(area), this.meanings, {
      caretMoved: () => this.caretMoved(),
      pointed: (tag) => this.hint.point(box, tag),
      key: (event) => this.completion.key(event) || (event.key === "Escape" && this.hint.dismiss()),
      typed: () => {
        this.hint.typed();
        this.completion.typed(box);
      },
      drawn: () => bar.draw(),
      settled: (place) => bar.settle(place),
    });
    const bar = new Bar(box, this);
    this.bars.set(box, bar.element);
    return box;
  }

  /**
   * Let a person choose LoRAs with their pictures; each becomes a tag at the caret.
   *
   * @param {Box} box
   */
  async pick(box) {
    const { area } = box;
    area.focus({ preventScroll: true }); // where Escape goes back to
    const place = (this.bars.get(box) ?? area).getBoundingClientRect();
    let caret = area.selectionEnd;
    /** @type {Set<string>} */
    const chosen = new Set();
    const { openPicker } = await later.picker();
    openPicker(place, this.host.server, {
      isHere: (card) => chosen.has(card.name),
      chosen: (card) => {
        if (!canBeTagged(card.name)) return box.say(untaggableText(card.name));
        chosen.add(card.name);
        this.cards.keep(card);
        caret = this.#insert(box, caret, `<lora:${closedTag(spelled(card.name), card)}`);
      },
    });
  }

  /**
   * Put a tag into a prompt, apart from the words around it. The focus stays where it is.
   *
   * @param {Box} box
   * @param {number} caret
   * @param {string} tag
   * @returns {number} where the caret is afterwards
   */
  #insert(box, caret, tag) {
    const { area } = box;
    const focused = document.activeElement;
    const [before, after] = [area.value.slice(0, caret), area.value.slice(caret)];
    const text = `${/[^\s(\[{|]$/.test(before) ? " " : ""}${tag}${/^[^\s,.)\]}|]/.test(after) ? " " : ""}`;
    const end = caret + text.length - (text.endsWith(" ") ? 1 : 0);
    area.focus({ preventScroll: true });
    put(area, caret, caret, text, end);
    if (focused instanceof HTMLElement && focused !== area) focused.focus({ preventScroll: true });
    box.draw();
    return end;
  }

  caretMoved() {
    const box = this.boxOf(document.activeElement);
    this.completion.moved();
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
