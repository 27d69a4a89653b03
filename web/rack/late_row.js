// A named rack's row: few racks hold one, so its view comes when it is first needed.

import { later } from "../later.js";
import { element } from "../parts/dom.js";
import { TEXTS } from "../texts.js";

export class LateRow {
  /**
   * @param {import("./rows.js").Row} row
   * @param {import("./editor.js").RackEditor} editor
   * @param {import("./row_view.js").RowHooks} hooks
   */
  constructor(row, editor, hooks) {
    this.name = row.name;
    /** @type {import("./named_rack_view.mjs").NamedRackView | null} */
    this.view = null;
    this.element = element("div", { class: "lora-rack-row", role: "listitem", "aria-busy": "true" });
    later.namedRack().then(({ NamedRackView }) => {
      this.view = new NamedRackView(row, editor, hooks);
      this.element.replaceWith(this.view.element);
      this.element = this.view.element;
      editor.draw();
    }).catch(() => editor.refuse(TEXTS.notLoaded));
  }

  /**
   * @param {import("./rows.js").Row} row
   * @param {import("../server.js").FileOfRow | undefined} file
   */
  show(row, file) {
    this.view?.show(row, file);
  }
}
