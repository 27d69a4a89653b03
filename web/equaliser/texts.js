// The texts of the equaliser.

import { fill, localised } from "../language.js";

export const TEXTS = localised("equaliser", {
  equaliser: "Block weights",
  open: "Block weights…",
  whole: "Whole blocks",
  part: "What the bars stand for",
  presets: "Presets",
  invert: "Invert",
  reset: "All back to 1",
  resetPart: "Let this part follow its blocks",
  copy: "Copy as text",
  copied: "Copied",
  text: "Block weights as text",
  placeholder: "every block at 1",
  lacking: "not in this file",
  hint: "Drag across to draw · Shift for fine · double-click resets",
  wired: "The weights come over a wire.",
  reading: "Measuring the LoRA…",
  noLora: "Choose a LoRA to see its blocks.",
  close: "Close",
  share: "{percent} % of the change",
  bar: "{block}, {part}",
  value: "{weight}, {energy}",
  panel: "Block weights of {name}",
  unsure: "{family}?",
  alternatives: "Or {names}",
});

/** @param {number} share */
export const shareText = (share) => {
  const percent = share * 100;
  return fill(TEXTS.share, { percent: percent >= 10 ? percent.toFixed(0) : percent.toFixed(1) });
};

/** @param {string} block @param {string} part */
export const barLabel = (block, part) => (part ? fill(TEXTS.bar, { block, part }) : block);

/** @param {string} weight @param {string} energy */
export const barValueText = (weight, energy) => fill(TEXTS.value, { weight, energy });

/** @param {string} name */
export const panelTitle = (name) => fill(TEXTS.panel, { name });

/** @param {{title: string, alternatives: string[]}} profile a question mark where the file may be for others too */
export const familyText = ({ title, alternatives }) =>
  alternatives.length ? fill(TEXTS.unsure, { family: title }) : title;

/** @param {string[]} names */
export const alternativesText = (names) => fill(TEXTS.alternatives, { names: names.join(", ") });
