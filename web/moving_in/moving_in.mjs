// Turns other packs' LoRA nodes into racks, and racks into the host's loaders. The server converts; the page
// hands over the graph and loads the answer, if it is still about the graph that is open.

import { problemOf } from "../server.js";
import { askConverted } from "./converting.mjs";
import { showReport } from "./report.mjs";
import { countText, TEXTS } from "./texts.js";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {"rack" | "loaders"} Target
 * @typedef {object} Place which nodes are meant
 * @property {object} workflow the whole graph as it would be saved
 * @property {string[]} nodes those selected, on the level that is open; empty for all of the workflow
 * @property {string} subgraph the level that is open, empty for the workflow itself
 * @property {unknown} tab the workflow that is open among several
 *
 * @typedef {object} Hooks
 * @property {() => Promise<Place>} look
 * @property {(workflow: object) => Promise<void>} load puts another graph in its place, as one step to undo
 * @property {(severity: "success" | "info" | "error", title: string, detail: string) => void} say
 */

const MOST_LOOKS = 10;

export class MovingIn {
  /**
   * @param {Server} server
   * @param {Hooks} hooks
   */
  constructor(server, hooks) {
    this.server = server;
    this.hooks = hooks;
    this.isBusy = false;
  }

  /**
   * @param {Target} target
   * @param {string[]} [nodes] in place of those selected
   */
  async turnInto(target, nodes) {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      await this.#turnInto(target, nodes);
    } finally {
      this.isBusy = false;
    }
  }

  /** @param {Target} target @param {string[]} [nodes] */
  async #turnInto(target, nodes) {
    const answer = await this.#converted(target, nodes);
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

  /**
   * The graph converted as it is when the answer is here: what was changed meanwhile would be lost.
   *
   * @param {Target} target
   * @param {string[]} [nodes]
   */
  async #converted(target, nodes) {
    const first = await this.hooks.look();
    let place = first;
    for (let looks = 1; ; looks++) {
      const answer = await this.#ask(target, { ...place, nodes: nodes ?? first.nodes });
      if (!answer?.done.length) return answer;
      const now = await this.hooks.look();
      if (now.tab !== place.tab || now.subgraph !== place.subgraph) {
        this.hooks.say("info", TEXTS.nothingTitle, TEXTS.elsewhere);
        return null;
      }
      if (looks === MOST_LOOKS || JSON.stringify(now.workflow) === JSON.stringify(place.workflow)) return answer;
      place = now;
    }
  }

  /** @param {Target} target @param {Place} place */
  async #ask(target, place) {
    try {
      return await askConverted(this.server, target, place);
    } catch (error) {
      this.hooks.say("error", TEXTS.failed, problemOf(error).message);
      return null;
    }
  }
}
