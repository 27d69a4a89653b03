// A new tag for a file. What no tag can hold is not written.

import { cleanStrength } from "../rack/rows.js";

/** @typedef {import("../server.js").Card} Card */

/** @param {string} name of a file, as a tag spells it */
export const spelled = (name) => name.replace(/\\/g, "/").replace(/\.safetensors$/i, "");

/** @param {string} name @returns {boolean} */
export const canBeTagged = (name) => !/[<>:\r\n]/.test(name) && spelled(name) === spelled(name).trim();

/** @param {Card | null} card @returns {string} the strengths its author or user prefers, as a tag writes them */
export function strengthsOf(card) {
  const model = cleanStrength(card?.strength ?? 1);
  const clip = card?.strength_clip ?? null;
  return clip === null || cleanStrength(clip) === model ? String(model) : `unet=${model}:te=${cleanStrength(clip)}`;
}

/** @param {string} name @param {Card | null} card @returns {string} what follows `<lora:` */
export const closedTag = (name, card) => `${name}:${strengthsOf(card)}>`;
