// The texts of the shelf.

import { fill, localised } from "../language.js";

export const TEXTS = localised("shelf", {
  shelf: "Named racks",
  search: "Search racks and their LoRAs",
  nothing: "No rack is kept yet. Give this one a name below.",
  nothingFound: "No rack matches.",
  insert: "Insert",
  insertHint: "Insert as one row, by its name",
  rows: "As rows",
  rowsHint: "Insert the rows it holds",
  more: "More",
  replace: "Replace by this rack",
  reallyReplace: "Really replace?",
  rename: "Rename",
  newName: "New name",
  exportIt: "Export",
  importIt: "Import a text file",
  remove: "Delete",
  reallyRemove: "Really delete?",
  name: "Name for this rack",
  save: "Save this rack",
  empty: "This rack has no rows to save.",
  saved: "Saved as {name}.",
  of: "{what}: {name}",
});

/** @param {string} name */
export const savedText = (name) => fill(TEXTS.saved, { name });

/** @param {string} what @param {string} name */
export const ofRack = (what, name) => fill(TEXTS.of, { what, name });
