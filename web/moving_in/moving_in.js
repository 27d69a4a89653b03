// Turns other packs' LoRA nodes into racks, and racks into the host's loaders. The server converts; the page
// hands over the graph and loads the answer.

import { ServerError } from "../server.js";
import { showReport } from "./report.js";
import { countText, TEXTS } from "./texts.js";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {"rack" | "loaders"} Target
 * @typedef {object} Place which nodes are meant
 * @property {object} workflow the whole graph as it would be saved
 * @property {string[]} nodes those selected, on the level that is open; empty for all of the workflow
 * @property {string} subgraph the level that is open, empty for the workflow itself
 *
 * @typedef {object} Hooks
 * @property {() => Place} look
 * @property {(workflow: object) => Promise<void>} load puts another graph in its place, as one step to undo
 * @property {(severity: "success" | "info" | "error", title: string, detail: string) => void} say
 */

export class MovingIn {
  /**
   * @param {Server} server
   * @param {Hooks} hooks
   */
  constructor(server, hooks) {
    this.server = server;
    this.hooks = hooks;
  }

  /**
   * @param {Target} target
   * @param {string[]} [nodes] in place of those selected
   */
  async turnInto(target, nodes) {
    const place = this.hooks.look();
    const answer = await this.#ask(target, nodes ? { ...place, nodes } : place);
    if (!answer) return;
    const { workflow, done, left } = answer;
    if (done.length) await this.hooks.load(workflow);
    const nothing = target === "rack" ? TEXTS.noLoaders : TEXTS.noRacks;
    const title = target === "rack" ? TEXTS.rackTitle : TEXTS.loadersTitle;
    if (left.length || done.some((item) => item.notes.length)) {
      showReport(done.length ? title : TEXTS.nothingTitle, done, left);
    } else if (done.length) {
      this.hooks.say("success", title, countText(done.flatMap((item) => item.nodes).length));
    } else {
      this.hooks.say("info", TEXTS.nothingTitle, nothing);
    }
  }

  /** @param {Target} target @param {Place} place */
  async #ask(target, place) {
    try {
      return await this.server.convert(target, place);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.hooks.say("error", TEXTS.failed, error.message);
      return null;
    }
  }
}
