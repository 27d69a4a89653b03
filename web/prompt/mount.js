// Which inputs of which nodes are prompts. The helpers on them come when the first such node does.

import { later } from "../later.js";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 * @typedef {import("./desk.mjs").Desk} Desk
 */

/** @type {Record<string, string[]>} */
const PROMPTS = { LoraRackPrompt: ["text"], LoraRackEncode: ["positive", "negative"] };

/** The prompts of a node. @param {LGraphNode} node @returns {Widget[]} */
export function promptsOf(node) {
  const names = PROMPTS[node.comfyClass ?? ""] ?? [];
  return (node.widgets ?? []).filter(({ name }) => names.includes(name));
}

export class Prompts {
  /** @param {Omit<import("./desk.mjs").Host, "promptsOf">} host */
  constructor(host) {
    this.host = { ...host, promptsOf };
    /** @type {Promise<Desk> | null} */
    this.desk = null;
  }

  /** @param {LGraphNode} node */
  add(node) {
    if (!promptsOf(node).length) return;
    this.desk ??= this.#load();
    const { onConnectionsChange } = node;
    node.onConnectionsChange = (...details) => {
      onConnectionsChange?.apply(node, details);
      void this.desk?.then((desk) => desk.lookSoon());
    };
    this.desk.then((desk) => desk.add(node), () => (this.desk = null)); // the prompt is the host's all the same
  }

  /** Files came or went. */
  refresh() {
    void this.desk?.then((desk) => desk.refresh());
  }

  async #load() {
    const { Desk } = await later.prompts();
    return new Desk(this.host);
  }
}
