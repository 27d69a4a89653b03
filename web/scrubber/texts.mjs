// The texts of the scrubber.

import { fill, localised } from "../language.js";

export const TEXTS = localised("scrubber", {
  scrubber: "Strengths",
  empty: "Queue to see every strength here.",
  gone: "ComfyUI has deleted these pictures. Queue again to see them.",
  blend: "Blend",
  blendHint: "Scrub from one strength to the next",
  wipe: "Wipe",
  wipeHint: "Two strengths side by side",
  divider: "Where one strength ends and the other begins",
  strength: "Strength",
  compared: "Strength to compare with",
  sheet: "Contact sheet",
  sheetHint: "Open the contact sheet",
  next: "Next picture",
  grid: "Both strengths",
  chart: "Measures over the strength",
  luma: "Luma",
  saturation: "Saturation",
  detail: "Detail",
  use: "Use {strength}",
  useHint: "Use {strength}: set pick to this strength",
  used: "{strength} in use",
  picture: "{place} / {count}",
  cell: "{first}, {second}",
  measure: "{name} {value}",
});

/** @param {string} strength */
export const useText = (strength) => fill(TEXTS.use, { strength });

/** @param {string} strength */
export const useLabel = (strength) => fill(TEXTS.useHint, { strength });

/** @param {string} strength */
export const usedText = (strength) => fill(TEXTS.used, { strength });

/** @param {number} place @param {number} count */
export const pictureText = (place, count) => fill(TEXTS.picture, { place, count });

/** @param {string} first @param {string} second */
export const cellText = (first, second) => fill(TEXTS.cell, { first, second });

/** @param {string} name @param {string} value */
export const measureText = (name, value) => fill(TEXTS.measure, { name, value });

/** @param {string[]} parts a strength and what was measured there */
export const frameText = (parts) => parts.join(", ");

/** @param {string} strength @param {string} name */
export const secondText = (strength, name) => `${strength} ${name}`;
