// What the page loads when a person first needs it. The host imports every .js of web/ with its page, and no .mjs.

import { button, element } from "./parts/dom.js";
import { TEXTS } from "./texts.js";

export const later = {
  details: () => import("./rack/details.mjs"),
  picker: () => dressed("./picker/style.css", import("./picker/picker.mjs")),
  inspector: () => dressed("./picker/style.css", import("./picker/inspector.mjs")),
  equaliser: () => dressed("./equaliser/style.css", import("./equaliser/equaliser_view.mjs")),
  equaliserPanel: () => dressed("./equaliser/style.css", import("./equaliser/panel.mjs")),
  curve: () => dressed("./rack/curve.css", import("./rack/curve_view.mjs")),
  scrubber: () => dressed("./scrubber/style.css", import("./scrubber/scrubber_view.mjs")),
  namer: () => dressed("./namer/style.css", import("./namer/namer.mjs")),
  prompts: () => dressed("./prompt/style.css", import("./prompt/desk.mjs")),
  infotext: () => dressed("./moving_in/style.css", import("./infotext/infotext.mjs")),
  getting: () => dressed("./getting/style.css", import("./getting/offer.mjs")),
  gettingLine: () => dressed("./getting/style.css", import("./rack/getting_line.mjs")),
  namedRack: () => import("./rack/named_rack_view.mjs"),
  rowMenu: () => import("./rack/row_menu.mjs"),
  shelf: () => dressed("./shelf/style.css", import("./shelf/shelf.mjs")),
  movingIn: () => dressed("./moving_in/style.css", import("./moving_in/moving_in.mjs")),
};

/** @type {Map<string, Promise<void>>} style sheets by their address */
const sheets = new Map();

/**
 * @template T
 * @param {string} sheet
 * @param {Promise<T>} module
 */
async function dressed(sheet, module) {
  return (await Promise.all([module, wear(sheet)]))[0];
}

/**
 * Link a style sheet of ours, once.
 *
 * @param {string} sheet beside this module
 * @returns {Promise<void>} resolves when it is there
 */
export function wear(sheet) {
  const { href } = new URL(sheet, import.meta.url);
  const known = sheets.get(href);
  if (known) return known;
  const coming = new Promise((/** @type {(value: void) => void} */ here, missing) => {
    const link = element("link", {
      rel: "stylesheet", href, onload: () => here(),
      onerror: () => {
        sheets.delete(href); // to be asked for again
        link.remove();
        missing(new Error(href));
      },
    });
    document.head.append(link);
  });
  sheets.set(href, coming);
  return coming;
}

/**
 * The element of a view that is filled once its module is here.
 *
 * @template T
 * @param {string} look its class
 * @param {() => Promise<T>} load
 * @param {(root: HTMLElement, module: T) => void} fill
 */
export function lateView(look, load, fill) {
  // The host's class lets a widget grow with its node in the new rendering.
  const root = element("div", { class: `${look} lora-rack-theme widget-expands`, "aria-busy": "true" });
  const start = async () => {
    root.replaceChildren();
    const module = await load().catch(() => null);
    root.removeAttribute("aria-busy");
    if (module) return fill(root, module);
    const again = button(TEXTS.tryAgain, () => void start(), { text: TEXTS.tryAgain, class: "lora-rack-chip" });
    return root.append(element("div", { class: "lora-rack-notice", role: "alert" }, TEXTS.notLoaded, again));
  };
  void start();
  return root;
}
