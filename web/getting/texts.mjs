// The texts of the panel that gets a file.

import { fill, localised } from "../language.js";
import { sizeText } from "../parts/sizes.mjs";

export const TEXTS = localised("getting", {
  title: "Get a LoRA",
  asking: "Asking the sites…",
  name: "File",
  size: "Size",
  unknown: "not stated",
  family: "Base family",
  licence: "Licence",
  forbids: "It forbids",
  words: "Trigger words",
  page: "Page",
  others: "Others there",
  claims: "The site says that this is the file the row asks for.",
  claimsNot: "The site does not say that this is the file the row asks for.",
  folder: "Folder",
  get: "Get",
  cancel: "Cancel",
  open: "Get…",
  coming: "Download",
  waiting: "Waiting…",
  comingOf: "{percent} of {size}, {speed}/s",
  comingLeft: "{percent} of {size}, {speed}/s, {left} s left",
});

/** @param {import("./jobs.js").Job} job */
export function comingText({ received, total, bytes_per_s: perSecond, left_s: left }) {
  if (!total) return TEXTS.waiting;
  const values = { percent: `${Math.floor((100 * received) / total)} %`, size: sizeText(total), speed: sizeText(perSecond) };
  return left === null ? fill(TEXTS.comingOf, values) : fill(TEXTS.comingLeft, { ...values, left: Math.ceil(left) });
}
