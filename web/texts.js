// Every text the page shows, in one place; nothing else in web/ holds a sentence.

export const TEXTS = {
  rack: "LoRA Rack",
  add: "Add LoRA",
  emptyTitle: "No LoRAs yet",
  emptyHint: "Add one, paste tags such as <lora:name:0.8>, or drop a picture or workflow that used some.",
  wired: "The text comes over a wire.",
  showText: "Show as text",
  stackText: "The stack as text, one LoRA a line",
  serverSilent: "The server does not answer, so the last change is not in the text yet.",
  tryAgain: "Try again",
  goThere: "Show the place",
  nothingInPaste: "There are no LoRA tags in what was pasted.",
  nothingInFile: "No LoRA is named in this file.",
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
  blocks: "Blocks",
  words: "Trigger words",
  noWords: "None known",
  copied: "Copied",
  textEncoder: "TE",
  missing: "No file of this name is here.",
  ambiguous: "More than one file has this name. Which is meant?",
  nearest: "Near it:",
  search: "Search name, folder, trigger word",
  found: "LoRAs found",
  nothingFound: "No LoRA fits.",
  noFiles: "There is no LoRA in the loras folders. Put one there and press R.",
  inRack: "in the rack",
  pickerHint: "↑ ↓ choose · Enter adds · Esc closes",
  closes: "Close",
  family: "Base family",
  size: "Size",
  changed: "Changed",
  name: "Name",
  fileProblem: "Problem",
  commentRow: "Remark",
};

/** What became of a row in the last run. */
export const VERDICTS = { ok: "It fits", partial: "It fits in part", nothing: "It does nothing" };

/** @param {number} on @param {number} all */
export const countText = (on, all) => (all === 0 ? "" : on === all ? `${all} on` : `${on} of ${all} on`);

/** @param {string} name */
export const rowLabel = (name) => `LoRA ${name}`;

/** @param {string} name */
export const powerLabel = (name) => `${name} on`;

/** @param {string} name @param {boolean} isClip */
export const strengthLabel = (name, isClip) =>
  isClip ? `Text encoder strength of ${name}` : `Strength of ${name}`;

/** @param {string} label */
export const numberLabel = (label) => `${label}, as a number`;

/** @param {string} word */
export const copyLabel = (word) => `Copy ${word}`;

/** @param {string} what @param {string} name */
export const ofRow = (what, name) => `${what}: ${name}`;

/** @param {number} count */
export const foundText = (count) => (count === 1 ? "1 LoRA" : `${count.toLocaleString("en")} LoRAs`);

/** @param {string} name @param {number} place @param {number} count */
export const movedText = (name, place, count) => `${name}: place ${place} of ${count}`;
