// The LoRA that a node names, as a card under the node's own list: its picture and its family. A click opens the picker.

import { later } from "../later.js";
import { element, setAttribute, setText } from "../parts/dom.js";
import { folderOf, stemOf, Thumbnail } from "../parts/thumbnail.js";
import { isWired } from "../parts/wires.mjs";
import { newEntry } from "../rack/rows.js";
import { TEXTS } from "../texts.js";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").Card} Card
 *
 * @typedef {object} Host what only extension.js can do
 * @property {(node: LGraphNode, widget: Widget, value: string) => void} setValue
 * @property {(node: LGraphNode, ours: HTMLElement) => void} takePlace
 * @property {() => void} rememberForUndo
 */

const INPUT = "lora_name";

/**
 * Fill the place under a node's list with the card of the file it names.
 *
 * @param {HTMLElement} root
 * @param {LGraphNode} node
 * @param {Widget} combo
 * @param {Server} server
 * @param {Host} host
 */
export function fillNamer(root, node, combo, server, host) {
  const namer = new Namer(root, node, combo, server, host);
  const { onConnectionsChange, onConfigure } = node;
  node.onConnectionsChange = function (...details) {
    onConnectionsChange?.apply(this, details);
    namer.look();
  };
  node.onConfigure = function (...details) {
    onConfigure?.apply(this, details);
    namer.look();
  };
  const { callback } = combo;
  combo.callback = function (...details) {
    callback?.apply(this, details);
    namer.look();
  };
  namer.look();
}

class Namer {
  /** @param {HTMLElement} root @param {LGraphNode} node @param {Widget} combo @param {Server} server @param {Host} host */
  constructor(root, node, combo, server, host) {
    this.root = root;
    this.node = node;
    this.combo = combo;
    this.server = server;
    this.host = host;
    this.shown = "";
    this.thumbnail = new Thumbnail(server);
    this.title = element("span", { class: "lora-rack-title" });
    this.folder = element("span", { class: "lora-rack-folder" });
    this.family = element("span", { class: "lora-rack-family" });
    this.element = element("button", {
      type: "button", class: "lora-rack-name-card", "aria-haspopup": "dialog", onclick: () => void this.#pick(),
    }, this.thumbnail.element, this.title, this.folder, this.family);
    this.element.addEventListener("pointerdown", (event) => event.stopPropagation()); // else the node is dragged
    root.append(this.element);
  }

  /** Show the file that the list names now. */
  look() {
    requestAnimationFrame(() => this.host.takePlace(this.node, this.root));
    const name = String(this.combo.value ?? "");
    setAttribute(this.element, "disabled", isWired(this.node, INPUT));
    if (name === this.shown) return;
    this.shown = name;
    this.#show(name, null);
    void this.#know(name);
  }

  /** @param {string} name */
  async #know(name) {
    if (!name) return;
    const found = await this.server.files([newEntry(name, null, null)]).catch(() => []);
    if (this.shown === name && found[0]) this.#show(name, found[0].card);
  }

  /** @param {string} name @param {Card | null} card */
  #show(name, card) {
    const label = TEXTS.choosePicture;
    this.thumbnail.show(name, card);
    setText(this.title, card?.title || stemOf(name));
    setText(this.folder, folderOf(name));
    setText(this.family, card?.family ?? "");
    setAttribute(this.element, "aria-label", `${label}: ${stemOf(name)}`);
    setAttribute(this.element, "title", label);
  }

  async #pick() {
    const place = this.element.getBoundingClientRect();
    const picker = await later.picker().catch(() => null);
    if (!picker) return setText(this.family, TEXTS.notLoaded);
    picker.openPicker(place, this.server, {
      isHere: (card) => card.name === this.combo.value,
      chosen: (card) => {
        this.host.setValue(this.node, this.combo, card.name);
        this.host.rememberForUndo();
      },
    });
  }
}
