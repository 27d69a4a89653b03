// One row of a rack on the screen.

import { TEXTS as BLOCK_TEXTS } from "../equaliser/texts.js";
import { later } from "../later.js";
import { button, element, icon, setAttribute, setText } from "../parts/dom.js";
import { Fader } from "../parts/fader.js";
import { folderOf, stemOf, Thumbnail } from "../parts/thumbnail.js";
import {
  numberLabel, ofRow, powerLabel, rowLabel, strengthLabel, TEXTS, verdictLabel,
} from "../texts.js";
import { peakOf, pointsOf, strengthAt, writePoints } from "./points.js";
import { askMenu, barsOf, makeGrip, makeMore, percent, shortFamily, withoutExtension } from "./row_parts.js";
import { cleanStrength } from "./rows.js";

/**
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("../server.js").FileOfRow} FileOfRow
 * @typedef {import("./editor.js").RackEditor} RackEditor
 *
 * @typedef {object} RowHooks
 * @property {(event: PointerEvent) => void} gripped
 * @property {(place: DOMRect | {x: number, y: number}) => void} menuAsked
 * @property {(place: DOMRect | {x: number, y: number}) => void} blocksAsked
 * @property {(event: KeyboardEvent) => void} keyPressed
 * @property {(word: string) => void} wordCopied
 */

const LEAST_PEAK = 0.01;
const USUAL = { reset: 1, low: -1, high: 2 };

export class EntryView {
  /**
   * @param {Row} row
   * @param {RackEditor} editor
   * @param {RowHooks} hooks
   */
  constructor(row, editor, hooks) {
    this.id = row.id;
    this.editor = editor;
    this.hooks = hooks;
    this.name = row.name;
    this.isOpen = false;
    /** @type {boolean | null} what a person chose; null: as the strengths are */
    this.showsClip = null;
    this.shown = "";
    /** @type {FileOfRow | undefined} */
    this.shownFile = undefined;
    const stem = stemOf(row.name);
    this.model = this.#makeFader(stem, false);
    this.clip = this.#makeFader(stem, true);
    this.thumbnail = new Thumbnail(editor.server);
    this.power = element("button", {
      type: "button", class: "lora-rack-power", role: "switch", "aria-label": powerLabel(stem),
      title: powerLabel(stem), onclick: () => this.#togglePower(),
    });
    this.title = element("span", { class: "lora-rack-title" });
    this.open = element("button", {
      type: "button", class: "lora-rack-name", "aria-expanded": "false", onclick: () => this.#toggleOpen(),
    }, this.title, icon("chevron"));
    this.folder = element("span", { class: "lora-rack-folder" });
    this.family = element("span", { class: "lora-rack-family" });
    this.verdict = element("span", { class: "lora-rack-verdict", role: "img" });
    this.span = element("span", { class: "lora-rack-span" });
    this.blocks = element("button", {
      type: "button", class: "lora-rack-blocks", "aria-label": ofRow(BLOCK_TEXTS.open, stem),
      onclick: () => this.hooks.blocksAsked(this.blocks.getBoundingClientRect()),
    });
    this.clipLine = element("div", { class: "lora-rack-strength is-clip" },
      element("span", { class: "lora-rack-faint" }, TEXTS.textEncoder), this.clip.track, this.clip.number);
    this.problem = element("div", { class: "lora-rack-problem" });
    /** @type {import("./details.mjs").RowDetails | null} made when the row first unfolds */
    this.details = null;
    this.unfolded = element("div", { hidden: true });
    /** @type {import("./getting_line.mjs").GettingLine | null} for a file that is not here */
    this.getting = null;
    this.isGettingAsked = false;
    this.below = element("div");
    this.element = this.#assemble(stem);
  }

  /**
   * @param {Row} row
   * @param {FileOfRow | undefined} file
   */
  show(row, file) {
    const { card = null, problem = null } = file ?? {};
    if (problem && !this.isGettingAsked) this.#addGetting(stemOf(row.name));
    const job = this.getting?.job(row, problem);
    if (!this.#isNews(row, file, job)) return;
    this.thumbnail.show(card?.name ?? row.name, card);
    setText(this.title, stemOf(row.name));
    this.open.title = [card?.name ?? row.name, card?.title].filter(Boolean).join("\n");
    setText(this.family, card?.family ? shortFamily(card.family) : "");
    setText(this.folder, folderOf(card?.name ?? row.name));
    this.element.classList.toggle("is-off", !row.enabled);
    this.element.classList.toggle("is-solo", this.editor.rows.solo?.id === row.id);
    this.element.classList.toggle("is-missing", Boolean(row.problem ?? problem ?? card?.problem));
    setAttribute(this.power, "aria-checked", row.enabled ? "true" : "false");
    this.model.show(row.strength_model);
    const isSeparate = this.showsClip ?? row.strength_clip !== row.strength_model;
    this.clip.show(row.strength_clip);
    this.clipLine.hidden = !isSeparate;
    this.#showMarks(row);
    this.#showVerdict(this.editor.verdicts.get(row.id));
    this.#showProblem(row, card, row.problem ?? problem);
    this.getting?.show(job);
    this.#showDetails(row, card, isSeparate);
  }

  /**
   * Whether there is anything to draw: a rack of hundreds is told to at every step of a fader.
   *
   * @param {Row} row
   * @param {FileOfRow | undefined} file
   * @param {import("../getting/jobs.js").Job | undefined} job
   */
  #isNews(row, file, job) {
    const solo = this.editor.rows.solo?.id === row.id;
    const verdict = this.editor.verdicts.get(row.id);
    const shown = JSON.stringify([{ ...row, text: "", stale: false }, this.isOpen, this.showsClip, solo, verdict, job]);
    if (this.shown === shown && this.shownFile === file) return false;
    this.shown = shown;
    this.shownFile = file;
    return true;
  }

  /** @param {string} stem */
  #addGetting(stem) {
    this.isGettingAsked = true;
    later.gettingLine().then(({ GettingLine }) => {
      this.getting = new GettingLine(stem, this.editor);
      this.below.replaceChildren(this.getting.element);
      this.shown = ""; // to be drawn again
      this.editor.draw();
    }).catch(() => {}); // the row says that its file is not here in any case
  }

  /** @param {import("./editor.js").Verdict | undefined} verdict */
  #showVerdict(verdict) {
    this.verdict.hidden = !verdict;
    if (!verdict) return;
    this.verdict.dataset.state = verdict.state;
    this.verdict.title = verdict.text;
    setAttribute(this.verdict, "aria-label", verdictLabel(verdict.state));
  }

  /** @param {Row} row */
  #showMarks(row) {
    const hasWindow = row.start !== 0 || row.stop !== 1;
    this.span.hidden = !hasWindow && !row.steps && !row.curve;
    this.span.style.setProperty("--rack-start", `${row.start * 100}%`);
    this.span.style.setProperty("--rack-stop", `${row.stop * 100}%`);
    const window = `${TEXTS.window}: ${percent(row.start)}–${percent(row.stop)}`;
    const steps = row.steps && `${TEXTS.steps}: ${row.steps}`;
    const points = pointsOf(row);
    const curve = points.length > 0 && `${TEXTS.curve}: ${writePoints(points)}`;
    this.span.title = [hasWindow && window, steps, curve].filter(Boolean).join("\n");
    this.span.classList.toggle("is-curve", points.length > 0);
    this.span.style.setProperty("--rack-shape", shapeOf(points));
    const blocks = [row.blocks, row.elements].filter(Boolean).join("  ");
    this.blocks.hidden = blocks === "";
    this.blocks.title = `${TEXTS.blocks}: ${blocks}`;
    this.blocks.replaceChildren(...barsOf(row.bars ?? []));
  }

  /**
   * @param {Row} row
   * @param {FileOfRow["card"]} card
   * @param {FileOfRow["problem"]} problem
   */
  #showProblem(row, card, problem) {
    this.problem.hidden = !problem && !card?.problem;
    const key = JSON.stringify([problem, card?.problem, row.problem]);
    if (this.problem.dataset.shown === key) return undefined; // a press on a candidate may be under way
    this.problem.dataset.shown = key;
    const candidates = problem?.candidates ?? [];
    const isAmbiguous = problem?.type === "AmbiguousLora";
    const missing = isAmbiguous ? TEXTS.ambiguous : TEXTS.missing;
    const said = row.problem?.message ?? (problem ? missing : card?.problem ?? "");
    const near = candidates.length && !isAmbiguous ? ` ${TEXTS.nearest}` : "";
    this.problem.title = problem?.message ?? "";
    return this.problem.replaceChildren(
      element("span", {}, icon("warning"), ` ${said}${near}`),
      ...candidates.map((name) =>
        button(name, () => this.editor.rename(row.id, withoutExtension(name)), { text: name, class: "lora-rack-chip" }),
      ),
    );
  }

  /**
   * @param {Row} row
   * @param {FileOfRow["card"]} card
   * @param {boolean} isSeparate
   */
  #showDetails(row, card, isSeparate) {
    setAttribute(this.open, "aria-expanded", this.isOpen ? "true" : "false");
    this.unfolded.hidden = !this.isOpen;
    if (!this.isOpen) return;
    if (this.details) this.details.show(row, card, isSeparate);
    else void this.#makeDetails(row);
  }

  /** @param {Row} row */
  async #makeDetails(row) {
    const module = await later.details().catch(() => null);
    if (!module) return this.editor.refuse(TEXTS.notLoaded);
    if (this.details) return undefined;
    this.details = new module.RowDetails(row, stemOf(row.name), this.editor, {
      wordCopied: this.hooks.wordCopied, separateAsked: () => this.#toggleSeparate(),
    });
    this.unfolded.append(this.details.element);
    this.shown = ""; // so that it is drawn again, with these
    return this.editor.draw();
  }

  /** @param {string} stem */
  #assemble(stem) {
    return element("div", {
      class: "lora-rack-row", role: "listitem", "aria-label": rowLabel(stem),
      onkeydown: this.hooks.keyPressed, oncontextmenu: (/** @type {MouseEvent} */ event) => askMenu(event, this.hooks),
    },
    makeGrip(stem, this.hooks), this.power, this.thumbnail.element,
    element("div", { class: "lora-rack-body" },
      element("div", { class: "lora-rack-head" }, this.open, this.verdict, this.folder, this.blocks, this.span, this.family),
      element("div", { class: "lora-rack-strength" }, this.model.track, this.model.number),
      this.clipLine, this.problem, this.below, this.unfolded),
    makeMore(stem, this.hooks));
  }

  /** @param {string} stem @param {boolean} isClip */
  #makeFader(stem, isClip) {
    const label = strengthLabel(stem, isClip);
    return new Fader(label, numberLabel(label), {
      changed: (value, isGesture) => this.#setStrength(value, isClip, isGesture),
      ended: () => this.editor.endGesture(),
    }, USUAL);
  }

  #togglePower() {
    this.editor.edit((rows) => rows.change(this.id, { enabled: !rows.find(this.id)?.enabled }));
  }

  #toggleOpen() {
    this.isOpen = !this.isOpen;
    this.editor.draw();
  }

  /** @param {number} value @param {boolean} isClip @param {boolean} isGesture */
  #setStrength(value, isClip, isGesture) {
    const strength = cleanStrength(value);
    this.editor.edit((rows) => {
      const row = rows.find(this.id);
      if (!row) return;
      const isSeparate = this.showsClip ?? row.strength_clip !== row.strength_model;
      // At 0 a curve would lose its shape for good.
      const model = row.curve && strength === 0 ? LEAST_PEAK : strength;
      if (isSeparate) rows.change(this.id, isClip ? { strength_clip: strength } : { strength_model: model });
      else rows.change(this.id, { strength_model: model, strength_clip: strength });
      if (isSeparate) this.showsClip = true; // equal for a moment must not join them under the hand
    }, isGesture);
  }

  #toggleSeparate() {
    const row = this.editor.rows.find(this.id);
    if (!row) return;
    const isSeparate = this.showsClip ?? row.strength_clip !== row.strength_model;
    this.showsClip = isSeparate ? null : true;
    if (isSeparate && row.strength_clip !== row.strength_model) {
      this.editor.edit((rows) => rows.change(this.id, { strength_clip: row.strength_model }));
    } else this.editor.draw();
  }
}

export class CommentView {
  /**
   * @param {Row} row
   * @param {RowHooks} hooks
   */
  constructor(row, hooks) {
    this.id = row.id;
    this.name = row.name;
    this.text = element("span", { class: "lora-rack-comment-text" });
    this.element = element("div", {
      class: "lora-rack-row lora-rack-comment", role: "listitem", "aria-label": TEXTS.commentRow,
      onkeydown: hooks.keyPressed, oncontextmenu: (/** @type {MouseEvent} */ event) => askMenu(event, hooks),
    },
    makeGrip(TEXTS.commentRow, hooks), element("span", { "aria-hidden": "true" }, "#"), this.text,
    makeMore(TEXTS.commentRow, hooks));
  }

  /** @param {Row} row */
  show(row) {
    setText(this.text, row.comment ?? "");
  }
}

/**
 * A curve small enough for a row: what is clipped away from a bar.
 *
 * @param {import("./points.js").Point[]} points
 */
function shapeOf(points) {
  if (!points.length) return "none";
  const peak = Math.abs(peakOf(points)) || 1;
  const top = (/** @type {number} */ strength) => `${Math.round(100 - (Math.abs(strength) / peak) * 100)}%`;
  const ends = [[0, strengthAt(points, 0)], [1, strengthAt(points, 1)]];
  const corners = [ends[0], ...points.map(({ place, strength }) => [place, strength]), ends[1]];
  const line = corners.map(([place, strength]) => `${Math.round(place * 100)}% ${top(strength)}`);
  return `polygon(0% 100%, ${line.join(", ")}, 100% 100%)`;
}
