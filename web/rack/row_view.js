// One row of a rack on the screen.

import { TEXTS as BLOCK_TEXTS } from "../equaliser/texts.js";
import { button, element, icon, setAttribute, setText } from "../parts/dom.js";
import { Fader } from "../parts/fader.js";
import { readNumber, showNumber } from "../parts/numbers.js";
import { folderOf, stemOf, Thumbnail } from "../parts/thumbnail.js";
import {
  copyLabel, numberLabel, ofRow, powerLabel, rowLabel, strengthLabel, TEXTS, verdictLabel,
} from "../texts.js";
import { cleanFraction, cleanStrength } from "./rows.js";

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
    this.words = element("span", { class: "lora-rack-words" });
    this.start = this.#makeFraction(stem, "start", TEXTS.from);
    this.stop = this.#makeFraction(stem, "stop", TEXTS.to);
    this.separate = element("button", {
      type: "button", role: "switch", class: "lora-rack-switch", onclick: () => this.#toggleSeparate(),
    }, TEXTS.separate);
    this.details = this.#makeDetails();
    this.element = this.#assemble(stem);
  }

  /**
   * @param {Row} row
   * @param {FileOfRow | undefined} file
   */
  show(row, file) {
    if (!this.#isNews(row, file)) return;
    const { card = null, problem = null } = file ?? {};
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
    this.#showDetails(row, card, isSeparate);
  }

  /**
   * Whether there is anything to draw: a rack of hundreds is told to at every step of a fader.
   *
   * @param {Row} row
   * @param {FileOfRow | undefined} file
   */
  #isNews(row, file) {
    const solo = this.editor.rows.solo?.id === row.id;
    const verdict = this.editor.verdicts.get(row.id);
    const shown = JSON.stringify([{ ...row, text: "", stale: false }, this.isOpen, this.showsClip, solo, verdict]);
    if (this.shown === shown && this.shownFile === file) return false;
    this.shown = shown;
    this.shownFile = file;
    return true;
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
    this.span.hidden = !hasWindow;
    this.span.style.setProperty("--rack-start", `${row.start * 100}%`);
    this.span.style.setProperty("--rack-stop", `${row.stop * 100}%`);
    this.span.title = `${TEXTS.window}: ${percent(row.start)}–${percent(row.stop)}`;
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
    this.details.hidden = !this.isOpen;
    if (!this.isOpen) return;
    setAttribute(this.separate, "aria-checked", isSeparate ? "true" : "false");
    for (const [input, value] of /** @type {const} */ ([[this.start, row.start], [this.stop, row.stop]])) {
      if (document.activeElement !== input) input.value = showNumber(value); // else it may be half typed
    }
    const words = card?.words ?? [];
    const key = words.join("\n");
    if (this.words.dataset.shown === key) return;
    this.words.dataset.shown = key;
    this.words.replaceChildren(
      ...words.map((word) =>
        button(copyLabel(word), () => this.hooks.wordCopied(word), { text: word, class: "lora-rack-chip" }),
      ),
    );
    if (!words.length) this.words.append(element("span", { class: "lora-rack-faint" }, TEXTS.noWords));
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
      this.clipLine, this.problem, this.details),
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

  /** @param {string} stem @param {"start" | "stop"} field @param {string} label */
  #makeFraction(stem, field, label) {
    const input = element("input", {
      class: "lora-rack-number", type: "text", inputmode: "decimal", "aria-label": ofRow(label, stem),
      onchange: () => this.#setWindow(field, input),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(),
    });
    return input;
  }

  #makeDetails() {
    const faint = (/** @type {string} */ text) => element("span", { class: "lora-rack-faint" }, text);
    return element("div", { class: "lora-rack-details" },
      element("div", { class: "lora-rack-detail" }, faint(TEXTS.words), this.words),
      element("div", { class: "lora-rack-detail" }, faint(TEXTS.window), this.start, faint(TEXTS.to), this.stop),
      element("div", { class: "lora-rack-detail" }, this.separate));
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
      if (isSeparate) rows.change(this.id, isClip ? { strength_clip: strength } : { strength_model: strength });
      else rows.change(this.id, { strength_model: strength, strength_clip: strength });
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

  /** @param {"start" | "stop"} field @param {HTMLInputElement} input */
  #setWindow(field, input) {
    const row = this.editor.rows.find(this.id);
    const value = readNumber(input.value.replace("%", ""));
    if (!row || value === null) {
      input.value = showNumber(row?.[field] ?? 0);
      return undefined;
    }
    const fraction = cleanFraction(input.value.includes("%") ? value / 100 : value);
    input.value = showNumber(fraction);
    const start = field === "start" ? fraction : Math.min(row.start, fraction);
    const stop = field === "stop" ? fraction : Math.max(row.stop, fraction);
    return this.editor.edit((rows) => rows.change(this.id, { start, stop }));
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

/** @param {string} name @param {RowHooks} hooks */
function makeGrip(name, hooks) {
  return element("span", {
    class: "lora-rack-grip", title: ofRow(TEXTS.drag, name), "aria-hidden": "true", onpointerdown: hooks.gripped,
  }, icon("grip"));
}

/** @param {string} name @param {RowHooks} hooks */
function makeMore(name, hooks) {
  const more = button(ofRow(TEXTS.more, name), () => hooks.menuAsked(more.getBoundingClientRect()),
    { icon: "dots", class: "lora-rack-quiet" });
  more.setAttribute("aria-haspopup", "menu");
  return more;
}

/** @param {MouseEvent} event @param {RowHooks} hooks */
function askMenu(event, hooks) {
  event.preventDefault();
  event.stopPropagation();
  hooks.menuAsked({ x: event.clientX, y: event.clientY });
}

/** @param {number} value */
const percent = (value) => `${Math.round(value * 100)} %`;

/** @param {string} name the name a tag holds: without what every file ends with */
export function withoutExtension(name) {
  const stem = name.replace(/\.safetensors$/i, "").replace(/\\/g, "/");
  return stem === stem.trim() ? stem : name.replace(/\\/g, "/"); // a tag has no blank at the end of a name
}

/** @param {string} family */
export function shortFamily(family) {
  return family.replace(/^Stable Diffusion /, "SD ");
}

/**
 * A picture of block weights small enough for a row: those of whole blocks as bars, else a mark that there are some.
 *
 * @param {number[]} bars
 */
function barsOf(bars) {
  const heights = bars.length ? bars : [1, 0.4, 0.7];
  return heights.map((height) =>
    element("i", { style: `height: ${Math.min(100, Math.max(8, Math.abs(height) * 100))}%` }),
  );
}
