// A rack on the screen: its bar, its rows, its text. Draws what the editor holds and hands on what a person does.

import { later } from "../later.js";
import { button, captureWheel, element, setAttribute, setText } from "../parts/dom.js";
import { stemOf } from "../parts/thumbnail.js";
import { countText, movedText, TEXTS, untaggableText } from "../texts.js";
import { dragRow } from "./drag.js";
import { LateRow } from "./late_row.js";
import { withoutExtension } from "./row_parts.js";
import { CommentView, EntryView } from "./row_view.js";
import { newEntry } from "./rows.js";

/**
 * @typedef {import("./editor.js").RackEditor} RackEditor
 * @typedef {import("./rows.js").Row} Row
 * @typedef {EntryView | LateRow | CommentView} RowView
 */

const BAR_PX = 38;
const ROW_PX = 50;
const LIST_PADDING_PX = 8;
const EMPTY_PX = 96;
const MAX_OWN_HEIGHT_PX = 460;

export class RackView {
  /** @param {RackEditor} editor */
  constructor(editor) {
    this.editor = editor;
    /** @type {Map<number, RowView>} */
    this.views = new Map();
    this.add = button(TEXTS.add, () => void this.#openPicker(), { icon: "plus", text: TEXTS.add, class: "lora-rack-add" });
    this.add.setAttribute("aria-haspopup", "dialog");
    this.count = element("span", { class: "lora-rack-faint lora-rack-count" });
    this.all = button(TEXTS.allOff, () => this.#toggleAll(), { text: TEXTS.allOff, class: "lora-rack-quiet" });
    this.shelf = button(TEXTS.racks, () => void this.#openShelf(), { text: TEXTS.racks, class: "lora-rack-racks" });
    this.shelf.setAttribute("aria-haspopup", "dialog");
    this.toggle = button(TEXTS.showText, () => void this.#toggleText(), { icon: "text", class: "lora-rack-quiet" });
    this.list = element("div", { class: "lora-rack-list", role: "list", "aria-label": TEXTS.rack });
    this.empty = element("div", { class: "lora-rack-empty" },
      element("strong", {}, TEXTS.emptyTitle), element("span", {}, TEXTS.emptyHint));
    this.area = element("textarea", {
      class: "lora-rack-text", "aria-label": TEXTS.stackText, spellcheck: "false", wrap: "off",
      oninput: () => this.editor.type(this.area.value), onchange: () => this.editor.endGesture(),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(),
    });
    this.notice = element("div", { class: "lora-rack-notice", role: "alert" });
    this.status = element("div", { class: "lora-rack-unseen", role: "status" });
    this.element = this.#assemble();
    /** @type {() => void} */
    this.onDrawn = () => {};
    editor.draw = () => this.draw();
    this.draw();
    void later.picker().catch(() => {}); // so that it opens at once; if it does not come now, a press asks again
  }

  /** How high the rack would like to be, in pixels; beyond a height it scrolls instead. */
  get wantedHeight() {
    if (this.editor.showsText || this.editor.problem) return BAR_PX + 160;
    if (this.editor.isEmpty) return BAR_PX + EMPTY_PX;
    const rows = this.editor.rows.all.length * ROW_PX;
    const measured = this.list.lastElementChild instanceof HTMLElement && this.list.clientHeight
      ? this.list.lastElementChild.offsetTop + this.list.lastElementChild.offsetHeight - this.list.offsetTop
      : rows;
    return Math.min(MAX_OWN_HEIGHT_PX, BAR_PX + this.notice.offsetHeight + measured + LIST_PADDING_PX);
  }

  /** Once the page has laid the rack out: whether it has more to scroll to. */
  laidOut() {
    for (const scroller of [this.list, this.area]) {
      captureWheel(scroller, scroller.scrollHeight > scroller.clientHeight + 1);
    }
  }

  draw() {
    const { editor } = this;
    const showsText = editor.showsText || editor.problem !== null;
    const isEmpty = !showsText && editor.isEmpty && editor.rows.all.length === 0;
    this.element.classList.toggle("is-wired", editor.isWired);
    this.list.hidden = showsText || isEmpty;
    this.empty.hidden = !isEmpty;
    this.area.hidden = !showsText;
    setAttribute(this.toggle, "aria-pressed", showsText ? "true" : "false");
    setAttribute(this.element, "aria-busy", editor.isReading ? "true" : "false");
    if (showsText && this.area.value !== editor.text) this.area.value = editor.text;
    const { units } = editor.rows;
    const on = units.filter((row) => row.enabled).length;
    setText(this.count, countText(on, units.length));
    this.all.hidden = units.length < 2 || showsText;
    setText(this.all, on ? TEXTS.allOff : TEXTS.allOn);
    setAttribute(this.all, "aria-label", this.all.textContent);
    this.#drawNotice();
    if (!showsText) this.#drawRows();
    this.onDrawn();
  }

  #drawRows() {
    const { rows } = this.editor;
    const left = new Set(this.views.keys());
    let before = /** @type {Element | null} */ (null);
    for (const row of rows.all) {
      left.delete(row.id);
      let view = this.views.get(row.id);
      if (!view || view.name !== row.name) {
        view?.element.remove();
        const hooks = this.#hooks(row);
        view = makeView(row, this.editor, hooks);
        this.views.set(row.id, view);
      }
      view.show(row, this.editor.fileOf(row));
      const wanted = before ? before.nextElementSibling : this.list.firstElementChild;
      if (wanted !== view.element) this.list.insertBefore(view.element, wanted);
      before = view.element;
    }
    for (const id of left) {
      this.views.get(id)?.element.remove();
      this.views.delete(id);
    }
  }

  #drawNotice() {
    const { problem, notice, isWired, isSilent } = this.editor;
    const said = (problem ?? notice)?.message ?? (isWired ? TEXTS.wired : "");
    this.notice.hidden = said === "";
    if (this.notice.dataset.said === said) return;
    this.notice.dataset.said = said;
    const way = (/** @type {string} */ text, /** @type {() => void} */ act) =>
      button(text, act, { text, class: "lora-rack-chip" });
    this.notice.replaceChildren(element("span", {}, said));
    if (problem?.line) this.notice.append(way(TEXTS.goThere, () => this.#goTo(problem)));
    if (isSilent) this.notice.append(way(TEXTS.tryAgain, () => this.editor.retry()));
  }

  #assemble() {
    const made = element("div", {
      // The host's class lets a widget grow with its node in the new rendering.
      class: "lora-rack lora-rack-theme widget-expands", role: "group", "aria-label": TEXTS.rack, tabindex: "-1",
      onpaste: (/** @type {ClipboardEvent} */ event) => this.#pasted(event),
      ondragover: (/** @type {DragEvent} */ event) => this.#draggedOver(event),
      ondragleave: () => made.classList.remove("is-target"),
      ondrop: (/** @type {DragEvent} */ event) => this.#dropped(event),
      onwheel: (/** @type {WheelEvent} */ event) => this.#wheel(event),
    },
    element("div", { class: "lora-rack-bar" }, this.shelf, this.add, this.count, this.all, this.toggle),
    this.notice, this.list, this.empty, this.area, this.status);
    made.dataset.drop = TEXTS.drop;
    // The host moves nodes and the view by these; in the rack they mean the rack.
    for (const kind of ["pointerdown", "pointermove", "pointerup", "dblclick", "copy", "cut"]) {
      made.addEventListener(kind, (event) => event.stopPropagation());
    }
    return made;
  }

  /** @param {Row} row @returns {import("./row_view.js").RowHooks} */
  #hooks(row) {
    return {
      gripped: (event) => dragRow(event, this.list, (place) => this.#move(row.id, place)),
      menuAsked: (place) => void this.#openMenu(row.id, place),
      blocksAsked: (place) => void this.#openEqualiser(row.id, place),
      keyPressed: (event) => this.#keyPressed(event, row.id),
      wordCopied: (word) => void this.#copy(word),
    };
  }

  /** @param {number} id @param {number} place */
  #move(id, place) {
    const { rows } = this.editor;
    if (rows.all.findIndex((row) => row.id === id) === place) return;
    const focused = document.activeElement;
    this.editor.edit(() => rows.move(id, place));
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true }); // moving an element takes its focus
    const at = rows.all.findIndex((row) => row.id === id);
    this.#say(movedText(rows.all[at].name || TEXTS.commentRow, at + 1, rows.all.length));
  }

  /** @param {KeyboardEvent} event @param {number} id */
  #keyPressed(event, id) {
    const place = this.editor.rows.all.findIndex((row) => row.id === id);
    const isTyping = event.target instanceof HTMLInputElement;
    if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      this.#move(id, place + (event.key === "ArrowUp" ? -1 : 1));
    } else if (event.key === "ContextMenu" || (event.shiftKey && event.key === "F10")) {
      void this.#openMenu(id, /** @type {Element} */ (event.target).getBoundingClientRect());
    } else if (event.key === "Delete" && !isTyping && event.target instanceof HTMLButtonElement) {
      this.#remove(id);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} id */
  #remove(id) {
    const place = this.editor.rows.all.findIndex((row) => row.id === id);
    this.editor.edit((rows) => rows.remove(id));
    const next = this.editor.rows.all[Math.min(place, this.editor.rows.all.length - 1)];
    const view = next && this.views.get(next.id);
    (view?.element.querySelector("button") ?? this.add).focus({ preventScroll: true });
  }

  /** @param {number} id @param {DOMRect | {x: number, y: number}} place */
  async #openMenu(id, place) {
    const menu = await this.#loaded(later.rowMenu);
    menu?.openRowMenu(place, id, this.editor, {
      inspect: (card) => void this.#inspect(place, card),
      equalise: () => void this.#openEqualiser(id, place),
      copy: (text) => void this.#copy(text),
      move: (to) => this.#move(id, to),
      remove: () => this.#remove(id),
    });
  }

  /** @param {number} id @param {DOMRect | {x: number, y: number}} place */
  async #openEqualiser(id, place) {
    const { editor } = this;
    const panel = await this.#loaded(later.equaliserPanel);
    const row = editor.rows.find(id);
    const card = row && editor.fileOf(row)?.card;
    if (!panel || !card) return;
    const { blocks, elements } = row;
    editor.panel = panel.openEqualiser(place, editor.server, { name: card.name, title: stemOf(card.name), blocks, elements }, {
      textsChanged: (...texts) => editor.edit((rows) => rows.change(id, { blocks: texts[0], elements: texts[1] }), true),
      gestureEnded: () => editor.endGesture(),
    });
  }

  async #openPicker() {
    const picker = await this.#loaded(later.picker);
    picker?.openPicker(this.add.getBoundingClientRect(), this.editor.server, {
      isHere: (card) => this.editor.rows.entries.some((row) => this.editor.fileOf(row)?.card?.name === card.name),
      chosen: (card) => this.#addFile(card),
    });
  }

  async #openShelf() {
    const shelf = await this.#loaded(later.shelf);
    shelf?.openShelf(this.shelf.getBoundingClientRect(), this.editor);
  }

  /** @param {DOMRect | {x: number, y: number}} place @param {import("../server.js").Card} card */
  async #inspect(place, card) {
    const inspector = await this.#loaded(later.inspector);
    return inspector?.openInspector(place, this.editor.server, card);
  }

  /** What does not come, the rack says. @template T @param {() => Promise<T>} load @returns {Promise<T | null>} */
  async #loaded(load) {
    try {
      return await load();
    } catch {
      this.editor.refuse(TEXTS.notLoaded);
      return null;
    }
  }

  /** @param {import("../server.js").Card} card */
  #addFile(card) {
    const name = withoutExtension(card.name);
    if (/[<>:\r\n]/.test(name) || name !== name.trim()) return this.editor.refuse(untaggableText(card.name));
    this.editor.notice = null;
    const row = newEntry(name, card.strength, card.strength_clip);
    this.editor.add(row, { card, problem: null });
    return this.list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }

  #toggleAll() {
    const anyOn = this.editor.rows.units.some((row) => row.enabled);
    this.editor.edit((rows) => rows.switchAll(!anyOn));
  }

  async #toggleText() {
    const { editor } = this;
    if (editor.problem) return this.area.focus();
    editor.stopTyping();
    await editor.settled(); // a person who types over a text means one that holds all edits
    editor.showsText = !editor.showsText;
    this.draw();
    return editor.showsText ? this.area.focus() : undefined;
  }

  /** @param {import("./editor.js").Problem} problem */
  #goTo(problem) {
    const lines = this.area.value.split(/\r\n|\r|\n/);
    const before = lines.slice(0, (problem.line ?? 1) - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const start = before + (problem.column ?? 1) - 1;
    this.area.focus();
    this.area.setSelectionRange(start, start + 1);
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    if (event.target instanceof HTMLInputElement || event.target === this.area) return event.stopPropagation();
    event.preventDefault();
    event.stopPropagation();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const file = event.clipboardData?.files[0];
    return void (text || !file ? this.editor.addFromText(text) : this.editor.addFromFile(file));
  }

  /** @param {DragEvent} event */
  #draggedOver(event) {
    const kinds = event.dataTransfer?.types ?? [];
    if (!kinds.includes("Files") && !kinds.includes("text/plain")) return;
    event.preventDefault();
    event.stopPropagation();
    this.element.classList.add("is-target");
  }

  /** @param {DragEvent} event */
  async #dropped(event) {
    event.preventDefault();
    event.stopPropagation();
    this.element.classList.remove("is-target");
    const files = [...(event.dataTransfer?.files ?? [])];
    const text = event.dataTransfer?.getData("text/plain") ?? "";
    for (const file of files) await this.editor.addFromFile(file);
    if (!files.length) await this.editor.addFromText(text);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // Scrolls the rack while there is more of it that way; else the host zooms, as anywhere on the graph.
    const scroller = this.area.hidden ? this.list : this.area;
    const below = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    const room = event.deltaY > 0 ? below : scroller.scrollTop;
    if (!event.ctrlKey && room > 1) event.stopPropagation();
  }

  /** @param {string} text */
  async #copy(text) {
    await navigator.clipboard.writeText(text);
    this.#say(TEXTS.copied);
  }

  /** @param {string} text */
  #say(text) {
    setText(this.status, text);
  }
}

/** @param {Row} row @param {RackEditor} editor @param {import("./row_view.js").RowHooks} hooks @returns {RowView} */
function makeView(row, editor, hooks) {
  if (row.kind === "comment") return new CommentView(row, hooks);
  return row.kind === "rack" ? new LateRow(row, editor, hooks) : new EntryView(row, editor, hooks);
}
