// What a file says about itself, in a panel: every field as text.

import { button, element } from "../parts/dom.js";
import { sizeText } from "../parts/sizes.mjs";
import { Popover } from "../parts/popover.mjs";
import { stemOf, Thumbnail } from "../parts/thumbnail.js";
import { TEXTS } from "../texts.js";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").Card} Card
 */

/**
 * @param {DOMRect | {x: number, y: number}} place
 * @param {Server} server
 * @param {Card} card
 */
export async function openInspector(place, server, card) {
  const thumbnail = new Thumbnail(server);
  thumbnail.show(card.name, card);
  const facts = element("dl", { class: "lora-rack-facts" });
  const close = button(TEXTS.closes, () => popover.close(), { icon: "cross", class: "lora-rack-quiet" });
  const label = `${TEXTS.inspect}: ${card.name}`;
  const content = element("div", { class: "lora-rack-inspector", role: "dialog", "aria-label": label },
    element("div", { class: "lora-rack-inspected" },
      thumbnail.element, element("strong", {}, card.title || stemOf(card.name)), close),
    facts);
  const popover = new Popover(place, content);
  close.focus({ preventScroll: true });
  fill(facts, [
    [TEXTS.name, card.name], [TEXTS.fileProblem, card.problem], [TEXTS.family, card.family],
    [TEXTS.words, card.words.join(", ")], [TEXTS.sourcePage, card.source],
  ]);
  try {
    const { metadata, size, modified_s } = await askInfo(server, card.name);
    fill(facts, [[TEXTS.size, sizeText(size)], [TEXTS.changed, new Date(modified_s * 1000).toLocaleString()]]);
    fill(facts, Object.entries(metadata).sort(([one], [other]) => one.localeCompare(other)));
  } catch (error) {
    fill(facts, [[TEXTS.fileProblem, error instanceof Error ? error.message : String(error)]]);
  }
}

/** @param {HTMLElement} facts @param {string[][]} pairs */
function fill(facts, pairs) {
  for (const [name, value] of pairs) {
    if (value) facts.append(element("dt", {}, name), element("dd", {}, value.slice(0, 2000)));
  }
}

/**
 * @param {Server} server
 * @param {string} name
 * @returns {Promise<Card & {size: number, modified_s: number, metadata: Record<string, string>}>}
 */
const askInfo = (server, name) => server.ask(`info?${new URLSearchParams({ name })}`);
