// What the views of rows share: the grip, the menu's button, short words.

import { button, element, icon } from "../parts/dom.js";
import { ofRow, TEXTS } from "../texts.js";

/** @typedef {import("./row_view.js").RowHooks} RowHooks */

/** @param {string} name @param {RowHooks} hooks */
export function makeGrip(name, hooks) {
  return element("span", {
    class: "lora-rack-grip", title: ofRow(TEXTS.drag, name), "aria-hidden": "true", onpointerdown: hooks.gripped,
  }, icon("grip"));
}

/** @param {string} name @param {RowHooks} hooks */
export function makeMore(name, hooks) {
  const more = button(ofRow(TEXTS.more, name), () => hooks.menuAsked(more.getBoundingClientRect()),
    { icon: "dots", class: "lora-rack-quiet" });
  more.setAttribute("aria-haspopup", "menu");
  return more;
}

/** @param {MouseEvent} event @param {RowHooks} hooks */
export function askMenu(event, hooks) {
  event.preventDefault();
  event.stopPropagation();
  hooks.menuAsked({ x: event.clientX, y: event.clientY });
}

/** @param {number} value */
export const percent = (value) => `${Math.round(value * 100)} %`;

/** @param {string} name the name a tag holds: without what every file ends with */
export function withoutExtension(name) {
  const stem = name.replace(/\.safetensors$/i, "").replace(/\\/g, "/");
  return stem === stem.trim() ? stem : name.replace(/\\/g, "/"); // a tag has no blank at the end of a name
}

/** @param {string} family */
export function shortFamily(family) {
  return family.replace(/^Stable Diffusion /, "SD ");
}

/**
 * A picture of block weights small enough for a row: those of whole blocks as bars, else a mark that there are some.
 *
 * @param {number[]} bars
 */
export function barsOf(bars) {
  const heights = bars.length ? bars : [1, 0.4, 0.7];
  return heights.map((height) =>
    element("i", { style: `height: ${Math.min(100, Math.max(8, Math.abs(height) * 100))}%` }),
  );
}
