// The equaliser of one row of a rack, in a panel above the graph.

import { button, element } from "../parts/dom.js";
import { Popover } from "../parts/popover.mjs";
import { Equaliser } from "./equaliser.js";
import { EqualiserView } from "./equaliser_view.mjs";
import { panelTitle, TEXTS } from "./texts.js";

/**
 * @param {DOMRect | {x: number, y: number}} place
 * @param {import("../server.js").Server} server
 * @param {{name: string, title: string, blocks: string, elements: string}} row
 * @param {import("./equaliser.js").Hooks} hooks
 * @returns {Equaliser}
 */
export function openEqualiser(place, server, row, hooks) {
  const equaliser = new Equaliser(server, hooks);
  const shown = element("div", { class: "lora-rack-eq lora-rack-theme" });
  new EqualiserView(equaliser, shown);
  const label = panelTitle(row.title);
  const panel = element("div", {
    class: "lora-rack-eq-panel", role: "dialog", "aria-label": label, tabindex: "-1",
  },
    element("div", { class: "lora-rack-eq-title" }, element("strong", {}, label),
      button(TEXTS.close, () => popover.close(), { icon: "cross", class: "lora-rack-quiet" })),
    shown);
  const popover = new Popover(place, panel);
  equaliser.texts = { blocks: row.blocks, elements: row.elements };
  void equaliser.setLora(row.name);
  panel.focus({ preventScroll: true }); // so that Escape closes it, and Tab goes on into it
  return equaliser;
}
