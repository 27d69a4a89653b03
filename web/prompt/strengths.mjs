// Changing the strength of a tag where it is written, or behind the name where none is. The places are the server's.

import { cleanStrength } from "../rack/rows.js";

/** @typedef {import("./asking.mjs").TagMeaning} TagMeaning */

/**
 * A tag with its strength set, and what it means until the server says it. A strength for the text encoder that is
 * written beside it moves along.
 *
 * @param {string} tag
 * @param {TagMeaning} meaning of the tag
 * @param {number} strength for the model
 * @returns {{tag: string, from: number, to: number, text: string, meaning: TagMeaning} | null} `text` in the place of
 *   the tag from `from` to `to`; null for a tag nobody can read
 */
export function withStrength(tag, meaning, strength) {
  const { row, name, strengths } = meaning;
  if (!row || !name) return null;
  const aim = cleanStrength(strength);
  const step = aim - row.strength_model;
  if (row.curve && !row.strength_model) return null; // a curve keeps its shape, and this one has none
  const moved = (/** @type {number} */ value) => (row.curve ? (value * aim) / row.strength_model : value + step);
  const isNew = strengths.length === 0;
  const [from, to] = isNew ? [name[1], name[1]] : [strengths[0][0], strengths[strengths.length - 1][1]];
  let [text, here] = ["", from];
  /** @type {[number, number][]} */
  const places = [];
  const write = (/** @type {number} */ value, /** @type {number} */ end) => {
    const start = from + text.length;
    text += cleanStrength(value);
    places.push([start, from + text.length]);
    here = end;
  };
  if (isNew) {
    text = ":";
    write(aim, to);
  }
  for (const [start, end] of strengths) {
    text += tag.slice(here, start);
    write(moved(Number(tag.slice(start, end))), end);
  }
  const fields = {
    ...row, strength_model: aim,
    strength_clip: isBoth(meaning) ? cleanStrength(moved(row.strength_clip)) : row.strength_clip,
  };
  const whole = tag.slice(0, from) + text + tag.slice(to);
  return { tag: whole, from, to, text, meaning: { ...meaning, row: fields, strengths: places } };
}

/** @param {TagMeaning} meaning @returns {boolean} whether the text encoder's strength is written too, or is the model's */
function isBoth({ row, strengths }) {
  return strengths.length !== 1 || row?.strength_clip === row?.strength_model;
}
