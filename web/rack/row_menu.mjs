// The menu of a row: what can be done with it, by the kind of row it is.

import { TEXTS as BLOCK_TEXTS } from "../equaliser/texts.js";
import { openMenu } from "../parts/menu.mjs";
import { problemOf } from "../server.js";
import { TEXTS } from "../texts.js";

/**
 * @typedef {import("./editor.js").RackEditor} RackEditor
 * @typedef {import("../parts/menu.mjs").MenuItem} MenuItem
 *
 * @typedef {object} RowActs what only the view can do
 * @property {(card: import("../server.js").Card) => void} inspect
 * @property {() => void} equalise
 * @property {(text: string) => void} copy
 * @property {(place: number) => void} move
 * @property {() => void} remove
 */

/**
 * @param {DOMRect | {x: number, y: number}} place
 * @param {number} id
 * @param {RackEditor} editor
 * @param {RowActs} acts
 */
export function openRowMenu(place, id, editor, acts) {
  const row = editor.rows.find(id);
  if (!row) return;
  const card = editor.fileOf(row)?.card ?? null;
  const [index, last] = [editor.rows.all.indexOf(row), editor.rows.all.length - 1];
  const solo = editor.rows.solo?.id === id ? TEXTS.unsolo : TEXTS.solo;
  /** @type {Record<string, MenuItem[]>} */
  const own = {
    entry: [
      { label: solo, act: () => editor.edit((rows) => rows.toggleSolo(id)) },
      { label: TEXTS.inspect, act: () => card && acts.inspect(card), isOff: !card },
      {
        label: TEXTS.sourcePage, isOff: !card?.source,
        act: () => window.open(card?.source, "_blank", "noopener,noreferrer"),
      },
      { label: BLOCK_TEXTS.open, act: acts.equalise, isOff: !card },
      "line",
    ],
    rack: [
      { label: solo, act: () => editor.edit((rows) => rows.toggleSolo(id)) },
      { label: TEXTS.unpack, act: () => void unpack(id, editor) },
      "line",
    ],
    comment: [],
  };
  openMenu(place, row.name || TEXTS.commentRow, [
    ...own[row.kind],
    { label: TEXTS.duplicate, act: () => editor.edit((rows) => rows.duplicate(id)) },
    { label: TEXTS.copyTag, act: () => acts.copy(row.text) },
    { label: TEXTS.moveUp, act: () => acts.move(index - 1), shortcut: "Alt ↑", isOff: index === 0 },
    { label: TEXTS.moveDown, act: () => acts.move(index + 1), shortcut: "Alt ↓", isOff: index === last },
    "line",
    { label: TEXTS.remove, act: acts.remove, shortcut: "Del" },
  ]);
}

/**
 * Put the rows of a named rack in the place of its name.
 *
 * @param {number} id
 * @param {RackEditor} editor
 */
async function unpack(id, editor) {
  const named = editor.rows.find(id);
  if (!named) return;
  try {
    const { name, strength, enabled } = named;
    const { rows: inside } = await editor.server.post("rack/rows", { name, strength, enabled });
    editor.edit((rows) => {
      const place = rows.all.findIndex((row) => row.id === id);
      if (place < 0) return;
      rows.remove(id);
      rows.insert(inside, place);
    });
    void editor.known();
  } catch (error) {
    editor.refuse(problemOf(error).message);
  }
}
