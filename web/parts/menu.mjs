// A menu of actions, at a point or below a button; arrows, Home, End and Enter work as in any menu.

import { element } from "./dom.js";
import { Popover } from "./popover.mjs";

/** @typedef {{label: string, act: () => void, shortcut?: string, isOff?: boolean} | "line"} MenuItem */

/**
 * @param {DOMRect | {x: number, y: number}} place
 * @param {string} label
 * @param {MenuItem[]} items
 */
export function openMenu(place, label, items) {
  const list = element("div", { class: "lora-rack-menu", role: "menu", "aria-label": label });
  const popover = new Popover(place, list);
  for (const item of items) {
    if (item === "line") {
      list.append(element("div", { class: "lora-rack-line", role: "separator" }));
      continue;
    }
    const { label: text, act, shortcut, isOff } = item;
    list.append(element("button", {
      type: "button", role: "menuitem", tabindex: "-1", disabled: isOff,
      onclick: () => {
        popover.close();
        act();
      },
      onpointerenter: (/** @type {PointerEvent} */ event) => /** @type {HTMLElement} */ (event.target).focus(),
    }, element("span", {}, text), shortcut ? element("kbd", {}, shortcut) : null));
  }
  const buttons = () => [...list.querySelectorAll("button:enabled")].map((found) => /** @type {HTMLElement} */ (found));
  list.addEventListener("keydown", (event) => {
    const all = buttons();
    const here = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    /** @type {Record<string, number>} */
    const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 };
    if (!(event.key in next)) return;
    event.preventDefault();
    all.at(next[event.key] % all.length)?.focus();
  });
  buttons()[0]?.focus({ preventScroll: true });
}
