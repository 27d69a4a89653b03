// The small picture of a LoRA; a letter on a colour of its own where there is none.

import { element } from "./dom.js";

/** @typedef {import("../server.js").Card} Card @typedef {import("../server.js").Server} Server */

/** @param {string} name the last part, without folders and extension */
export function stemOf(name) {
  return name.replace(/^.*[\\/]/, "").replace(/\.(safetensors|pt|pth|ckpt|bin|sft)$/i, "");
}

/** @param {string} name the folders before the last part */
export function folderOf(name) {
  return name.replace(/\\/g, "/").replace(/\/?[^/]*$/, "");
}

export class Thumbnail {
  /** @param {Server} server */
  constructor(server) {
    this.server = server;
    this.element = element("span", { class: "lora-rack-thumb", "aria-hidden": "true" });
    this.shown = "";
  }

  /**
   * @param {string} name
   * @param {Card | null} card
   */
  show(name, card) {
    const source = card?.preview ? this.server.thumbnailUrl(card) : "";
    const key = `${name}\n${source}`;
    if (this.shown === key) return;
    this.shown = key;
    this.element.style.setProperty("--rack-hue", String(hueOf(name)));
    const letter = element("span", { class: "lora-rack-letter" }, stemOf(name).slice(0, 1).toUpperCase());
    if (!source) {
      this.element.replaceChildren(letter);
      return;
    }
    const image = element("img", {
      alt: "", loading: "lazy", decoding: "async", draggable: "false", src: source,
      onerror: () => image.replaceWith(letter),
    });
    this.element.replaceChildren(image);
  }
}

/** @param {string} name the same name has the same colour everywhere */
function hueOf(name) {
  let sum = 0;
  for (const letter of stemOf(name)) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}
