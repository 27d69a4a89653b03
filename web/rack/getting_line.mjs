// Below a row whose file is not here: the way to get it, and how far that has come.

import { later } from "../later.js";
import { button, element, setText } from "../parts/dom.js";
import { comingText, TEXTS } from "../getting/texts.mjs";
import { ofRow, TEXTS as ROW } from "../texts.js";

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} asked
 * @property {"waiting" | "coming" | "done" | "failed" | "cancelled"} state
 * @property {string} name
 * @property {number} received in bytes
 * @property {number | null} total
 * @property {number} bytes_per_s
 * @property {number | null} left_s
 * @property {{message: string} | null} error
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("../server.js").Problem} Problem
 */

const GETTABLE = ["MissingLora", "OtherContent", "SearchUnfinished"]; // the last: not found without reading it all

export class GettingLine {
  /**
   * @param {string} name of the row
   * @param {import("./editor.js").RackEditor} editor
   */
  constructor(name, editor) {
    this.editor = editor;
    this.reference = "";
    this.jobId = "";
    this.get = button(ofRow(TEXTS.open, name), () => void this.#open(), { text: TEXTS.open, class: "lora-rack-chip" });
    this.get.setAttribute("aria-haspopup", "dialog");
    this.said = element("span", { role: "status" });
    this.bar = element("progress", { "aria-label": ofRow(TEXTS.coming, name), max: 1 });
    this.cancel = button(ofRow(TEXTS.cancel, name), () => void this.#post("get/cancel"),
      { text: TEXTS.cancel, class: "lora-rack-chip" });
    this.element = element("div", { class: "lora-rack-problem lora-rack-getting", hidden: true },
      this.get, this.bar, this.said, this.cancel);
  }

  /**
   * What is under way for a row, so that its view knows when to draw.
   *
   * @param {Row} row
   * @param {Problem | null} problem
   * @returns {Job | undefined}
   */
  job(row, problem) {
    this.reference = problem && GETTABLE.includes(problem.type) ? referenceOf(row, problem) : "";
    return this.reference ? this.editor.server.jobs.of(this.reference) : undefined;
  }

  /** @param {Job | undefined} job */
  show(job) {
    const comes = isComing(job);
    this.element.hidden = this.reference === "";
    this.jobId = job?.id ?? "";
    this.get.hidden = comes;
    this.cancel.hidden = this.bar.hidden = !comes;
    const said = job && comes ? comingText(job) : job?.state === "failed" ? job.error?.message ?? "" : "";
    setText(this.said, said);
    if (job?.total) this.bar.value = job.received / job.total;
    else this.bar.removeAttribute("value");
  }

  async #open() {
    const panel = await later.getting().catch(() => null);
    if (!panel) return this.editor.refuse(ROW.notLoaded);
    return panel.openOffer(this.get.getBoundingClientRect(), this.editor.server, this.reference);
  }

  /** @param {string} path */
  async #post(path) {
    const { server } = this.editor;
    server.jobs.heard(await server.post(path, { id: this.jobId }));
  }
}

/** @param {Job | undefined} job */
const isComing = (job) => job?.state === "waiting" || job?.state === "coming";

/**
 * What names the file of a row at a site: its hash, or the page it is known to come from; empty for neither.
 *
 * @param {{hash: string}} row
 * @param {{page?: string} | null} problem
 */
function referenceOf(row, problem) {
  if (row.hash) return `hash=${row.hash}`;
  const found = /^https:\/\/civitai\.com\/models\/(\d+)(?:[^#]*[?&]modelVersionId=(\d+))?/.exec(problem?.page ?? "");
  return found ? `civitai:${found[1]}${found[2] ? `@${found[2]}` : ""}` : "";
}
