// What became of the nodes of a conversion, where something has to be said about some.

import { button, element } from "../parts/dom.js";
import { nodeText, TEXTS } from "./texts.js";

/** @typedef {import("./converting.mjs").Done} Done @typedef {import("./converting.mjs").Left} Left */

/**
 * @param {string} title
 * @param {Done[]} done
 * @param {Left[]} left
 */
export function showReport(title, done, left) {
  const dialog = element("dialog", {
    class: "lora-rack-report lora-rack-theme",
    "aria-label": title,
    onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(), // the host has keys of its own
    onclose: () => dialog.remove(),
  });
  const noted = done.filter((item) => item.notes.length);
  dialog.append(
    element("h2", {}, title),
    ...section(TEXTS.replaced, done.map((item) => row(replaced(item), item.text.split("\n")))),
    ...section(TEXTS.notes, noted.map((item) => row(replaced(item), item.notes))),
    ...section(TEXTS.left, left.map((item) => row(nodeText(item), [item.reason]))),
    button(TEXTS.close, () => dialog.close(), { text: TEXTS.close }),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {string} title @param {HTMLElement[]} rows */
const section = (title, rows) => (rows.length ? [element("h3", {}, title), element("ul", {}, ...rows)] : []);

/** @param {string} name @param {readonly string[]} lines */
const row = (name, lines) =>
  element("li", {}, element("strong", {}, name), ...lines.map((line) => element("span", {}, line)));

/** @param {Done} item */
const replaced = (item) =>
  item.nodes
    .map((node, at) => nodeText({ place: item.place, node, type: item.types[at] ?? "" }))
    .join(", ");
