// What a site has of a missing file, before a byte of it comes: name, size, family, licence. Get begins the download.

import { button, element, setText } from "../parts/dom.js";
import { sizeText } from "../parts/sizes.mjs";
import { Popover } from "../parts/popover.mjs";
import { problemOf } from "../server.js";
import { TEXTS } from "./texts.mjs";

/**
 * @typedef {import("../server.js").Server} Server
 *
 * @typedef {object} Offer as nodes/page/get_routes.py says it
 * @property {string} name
 * @property {number | null} size
 * @property {string} family
 * @property {string} base_model
 * @property {string} licence
 * @property {string[]} forbids
 * @property {string[]} trigger_words
 * @property {string} page
 * @property {boolean | null} claims_it
 * @property {string[]} others
 */

/**
 * @param {DOMRect} place
 * @param {Server} server
 * @param {string} reference
 */
export function openOffer(place, server, reference) {
  const panel = new OfferPanel(server, reference, () => popover.close());
  const popover = new Popover(place, panel.element);
  panel.cancel.focus({ preventScroll: true });
  void panel.ask();
}

class OfferPanel {
  /**
   * @param {Server} server
   * @param {string} reference
   * @param {() => void} close
   */
  constructor(server, reference, close) {
    this.server = server;
    this.reference = reference;
    this.close = close;
    this.state = element("div", { role: "status" }, TEXTS.asking);
    this.wrong = element("div", { role: "alert", hidden: true });
    this.facts = element("dl");
    this.claim = element("div", { hidden: true });
    this.folder = element("select", { "aria-label": TEXTS.folder, hidden: true });
    this.get = button(TEXTS.get, () => void this.#start(), { text: TEXTS.get, class: "lora-rack-chip" });
    this.get.disabled = true;
    this.cancel = button(TEXTS.cancel, close, { text: TEXTS.cancel, class: "lora-rack-chip" });
    this.element = element("div", { class: "lora-rack-offer", role: "dialog", "aria-label": TEXTS.title },
      element("strong", {}, TEXTS.title), this.state, this.facts, this.claim, this.wrong, this.folder,
      element("footer", {}, this.cancel, this.get));
  }

  /** Ask the sites, and where the file may go. */
  async ask() {
    try {
      const [{ offers: [answer] }, { folders }] = await Promise.all([
        this.server.post("get/look_up", { references: [this.reference] }), this.server.ask("get/jobs"),
      ]);
      this.state.hidden = true;
      if (answer.problem) return this.#complain(answer.problem.message);
      this.folder.replaceChildren(...folders.map((/** @type {string} */ path) => element("option", { value: path }, path)));
      this.folder.hidden = folders.length < 2;
      return this.#show(answer.offer);
    } catch (error) {
      this.state.hidden = true;
      return this.#complain(problemOf(error).message);
    }
  }

  /** @param {Offer} offer */
  #show(offer) {
    const { licence, forbids, trigger_words: words, page, others } = offer;
    const link = element("a", { href: page, target: "_blank", rel: "noopener noreferrer" }, page);
    /** @type {[string, string | Node][]} */
    const facts = [
      [TEXTS.name, offer.name],
      [TEXTS.size, offer.size === null ? TEXTS.unknown : sizeText(offer.size)],
      [TEXTS.family, offer.family || offer.base_model || TEXTS.unknown],
      [TEXTS.licence, licence || TEXTS.unknown],
      [TEXTS.forbids, forbids.join(", ")],
      [TEXTS.words, words.join(", ")],
      [TEXTS.page, /^https?:/.test(page) ? link : page],
      [TEXTS.others, others.join(", ")],
    ];
    for (const [name, value] of facts) {
      if (value) this.facts.append(element("dt", {}, name), element("dd", {}, value));
    }
    this.claim.hidden = offer.claims_it === null;
    this.claim.classList.toggle("is-warning", offer.claims_it === false);
    setText(this.claim, offer.claims_it ? TEXTS.claims : TEXTS.claimsNot);
    this.get.disabled = false;
    this.get.focus({ preventScroll: true });
  }

  async #start() {
    this.get.disabled = true;
    try {
      const { reference, folder } = this;
      this.server.jobs.began(await this.server.post("get/start", { reference, folder: folder.value }));
      this.close();
    } catch (error) {
      this.get.disabled = false;
      this.#complain(problemOf(error).message);
    }
  }

  /** @param {string} message */
  #complain(message) {
    this.wrong.hidden = false;
    setText(this.wrong, message);
  }
}
