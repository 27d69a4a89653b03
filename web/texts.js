// Every text the page shows, in one place; nothing else in web/ holds a sentence.

import { fill, locale, localised } from "./language.js";

export const TEXTS = localised("rack", {
  rack: "LoRA Rack",
  add: "Add LoRA",
  emptyTitle: "No LoRAs yet",
  emptyHint: "Add one, paste tags such as <lora:name:0.8>, or drop a picture or workflow that used some.",
  wired: "The text comes over a wire.",
  showText: "Show as text",
  stackText: "The stack as text, one LoRA a line",
  serverSilent: "The server does not answer.",
  tryAgain: "Try again",
  notLoaded: "This part of the page did not load. Try again, or reload the page.",
  goThere: "Show the place",
  nothingInPaste: "The pasted text has no LoRA tags.",
  nothingInFile: "This file names no LoRA.",
  allHere: "All LoRAs of this file are in the rack.",
  untaggable: "{name} cannot be part of a tag. Rename the file without < > : and without a space at either end.",
  racks: "Racks",
  unpack: "Put its rows here",
  rackRow: "Rack {name}",
  drop: "Drop to add its LoRAs",
  allOn: "All on",
  allOff: "All off",
  more: "More",
  drag: "Move",
  remove: "Remove",
  duplicate: "Duplicate",
  copyTag: "Copy as tag",
  inspect: "Inspect the file",
  sourcePage: "Open its source page",
  solo: "Solo",
  unsolo: "End solo",
  separate: "Separate strength for the text encoder",
  moveUp: "Move up",
  moveDown: "Move down",
  from: "From",
  to: "to",
  window: "Part of the sampling",
  curve: "Strength over the sampling",
  steps: "Steps",
  rise: "Rise",
  fall: "Fall",
  riseAndFall: "Rise and fall",
  firstSteps: "First steps only",
  constant: "Constant",
  curveHint: "Press to add a point. Arrow keys move it, Delete removes it.",
  curvePoint: "{strength} at {place}",
  blocks: "Blocks",
  words: "Trigger words",
  noWords: "None known",
  copied: "Copied",
  textEncoder: "TE",
  missing: "No file of this name is here.",
  ambiguous: "More than one file has this name. Which is meant?",
  nearest: "Nearest names:",
  search: "Search name, folder, trigger word",
  found: "LoRAs found",
  nothingFound: "No LoRA matches.",
  noFiles: "There is no LoRA in the loras folders. Put one there and press R.",
  inRack: "in the rack",
  choosePicture: "Choose a LoRA by its picture",
  pickerHint: "↑ ↓ choose · Enter adds · Esc closes",
  closes: "Close",
  family: "Base family",
  size: "Size",
  changed: "Changed",
  name: "Name",
  fileProblem: "Problem",
  commentRow: "Comment",
  fits: "It fits",
  fitsInPart: "It fits in part",
  doesNothing: "It does nothing",
  count: "{on} on",
  countOf: "{on} of {all} on",
  row: "LoRA {name}",
  power: "{name} on",
  strengthOf: "Strength of {name}",
  clipStrengthOf: "Text encoder strength of {name}",
  asNumber: "{label}, as a number",
  copy: "Copy {word}",
  of: "{what}: {name}",
  foundOne: "1 LoRA",
  foundMany: "{count} LoRAs",
  moved: "{name}: place {place} of {count}",
});

/** @param {"ok" | "partial" | "nothing"} state what became of a row in the last run */
export const verdictLabel = (state) =>
  ({ ok: TEXTS.fits, partial: TEXTS.fitsInPart, nothing: TEXTS.doesNothing })[state];

/** @param {number} on @param {number} all */
export const countText = (on, all) => (all === 0 ? "" : fill(on === all ? TEXTS.count : TEXTS.countOf, { on, all }));

/** @param {string} name */
export const rowLabel = (name) => fill(TEXTS.row, { name });

/** @param {string} name */
export const rackLabel = (name) => fill(TEXTS.rackRow, { name });

/** @param {string} name */
export const powerLabel = (name) => fill(TEXTS.power, { name });

/** @param {string} name @param {boolean} isClip */
export const strengthLabel = (name, isClip) => fill(isClip ? TEXTS.clipStrengthOf : TEXTS.strengthOf, { name });

/** @param {string} label */
export const numberLabel = (label) => fill(TEXTS.asNumber, { label });

/** @param {string} name */
export const untaggableText = (name) => fill(TEXTS.untaggable, { name });

/** @param {string} word */
export const copyLabel = (word) => fill(TEXTS.copy, { word });

/** @param {string} what @param {string} name */
export const ofRow = (what, name) => fill(TEXTS.of, { what, name });

/** @param {number} count */
export const foundText = (count) =>
  count === 1 ? TEXTS.foundOne : fill(TEXTS.foundMany, { count: count.toLocaleString(locale()) });

/** @param {string} name @param {number} place @param {number} count */
export const movedText = (name, place, count) => fill(TEXTS.moved, { name, place, count });
