// Which inputs are prompts. The helpers on them come when the first such node does.

import { later } from "../later.js";

/** @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode */

/** @type {Record<string, string[]>} */
const PROMPTS = { LoraRackPrompt: ["text"], LoraRackEncode: ["positive", "negative"] };

/** @param {LGraphNode} node */
const promptsOf = (node) =>
  (node.widgets ?? []).filter(({ name }) => PROMPTS[node.comfyClass ?? ""]?.includes(name));

export class Prompts {
  /** @param {Omit<import("./desk.mjs").Host, "promptsOf" | "loraNames">} host */
  constructor(host) {
    /** @type {string[]} */
    this.names = [];
    this.host = { ...host, promptsOf, loraNames: () => this.names };
    /** @type {Promise<import("./desk.mjs").Desk> | null} */
    this.desk = null;
  }

  /** @param {LGraphNode} node */
  add(node) {
    if (!promptsOf(node).length) return;
    this.desk ??= later.prompts().then(({ Desk }) => new Desk(this.host));
    this.desk.then((desk) => desk.add(node), () => (this.desk = null)); // the prompt is the host's all the same
  }

  /** @param {import("../rack/editor.js").Verdict[]} verdicts what became of the LoRAs of a run */
  judge(verdicts) {
    void this.desk?.then((desk) => desk.judge(verdicts));
  }

  /** Files came or went. @param {import("../../../scripts/app.js").NodeDefinition} definition */
  takeNames({ name, input }) {
    if (name !== "LoraRackLoad") return;
    const [listed, options] = /** @type {any[]} */ (input.required?.lora_name ?? []);
    this.names = Array.isArray(listed) ? listed : options?.options ?? [];
    void this.desk?.then((desk) => desk.refresh());
  }
}
