// A named rack as one row: its switch, its name, and the fader of all strengths in it.

import { element, icon, setAttribute, setText } from "../parts/dom.js";
import { Fader } from "../parts/fader.js";
import { numberLabel, powerLabel, rackLabel, strengthLabel } from "../texts.js";
import { askMenu, makeGrip, makeMore } from "./row_parts.js";
import { cleanStrength } from "./rows.js";

/**
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("../server.js").FileOfRow} FileOfRow
 */

export class NamedRackView {
  /**
   * @param {Row} row
   * @param {import("./editor.js").RackEditor} editor
   * @param {import("./row_view.js").RowHooks} hooks
   */
  constructor(row, editor, hooks) {
    this.id = row.id;
    this.name = row.name;
    this.editor = editor;
    const label = strengthLabel(row.name, false);
    this.fader = new Fader(label, numberLabel(label), {
      changed: (value, isGesture) =>
        editor.edit((rows) => rows.change(this.id, { strength: cleanStrength(value) }), isGesture),
      ended: () => editor.endGesture(),
    }, { reset: 1, low: 0, high: 2 });
    this.power = element("button", {
      type: "button", class: "lora-rack-power", role: "switch", "aria-label": powerLabel(row.name),
      title: powerLabel(row.name), onclick: () => this.#toggle(),
    });
    this.problem = element("div", { class: "lora-rack-problem" });
    this.element = element("div", {
      class: "lora-rack-row lora-rack-named", role: "listitem", "aria-label": rackLabel(row.name),
      onkeydown: hooks.keyPressed, oncontextmenu: (/** @type {MouseEvent} */ event) => askMenu(event, hooks),
    },
    makeGrip(row.name, hooks), this.power,
    element("span", { class: "lora-rack-thumb", "aria-hidden": "true" }, icon("text")),
    element("div", { class: "lora-rack-body" },
      element("div", { class: "lora-rack-head" },
        element("span", { class: "lora-rack-title", title: rackLabel(row.name) }, row.name)),
      element("div", { class: "lora-rack-strength" }, this.fader.track, this.fader.number), this.problem),
    makeMore(row.name, hooks));
  }

  /**
   * @param {Row} row
   * @param {FileOfRow | undefined} file
   */
  show(row, file) {
    const problem = row.problem ?? file?.problem ?? null;
    this.element.classList.toggle("is-off", !row.enabled);
    this.element.classList.toggle("is-solo", this.editor.rows.solo?.id === row.id);
    this.element.classList.toggle("is-missing", problem !== null);
    setAttribute(this.power, "aria-checked", row.enabled ? "true" : "false");
    this.fader.show(row.strength ?? 1);
    this.problem.hidden = problem === null;
    setText(this.problem, problem?.message ?? "");
  }

  #toggle() {
    this.editor.edit((rows) => rows.change(this.id, { enabled: !rows.find(this.id)?.enabled }));
  }
}
