// The points of a strength that changes over the sampling, as the text of a curve and as numbers.

import { readNumber, rounded } from "../parts/numbers.js";

/**
 * @typedef {object} Point
 * @property {number} place how far the sampling has come, 0 to 1
 * @property {number} strength
 */

const FIRST_STEPS = 0.3;

/**
 * @param {string} text as in a tag: `0@0,1@0.3`
 * @returns {Point[] | null} null where it is no curve; whether it is a good one the server says
 */
export function readPoints(text) {
  const points = text.split(",").map((part) => {
    const [strength, place, ...rest] = part.split("@").map(readNumber);
    return rest.length || strength === null || place === null || place === undefined ? null : { place, strength };
  });
  return points.every((point) => point !== null) ? /** @type {Point[]} */ (points) : null;
}

/**
 * The curve of a row. The fader moves all of it: its peak is the row's strength, whatever its text was written for.
 *
 * @param {import("./rows.js").RowData} row
 * @returns {Point[]} none where the strength stays the same
 */
export function pointsOf(row) {
  const points = row.curve ? readPoints(row.curve) ?? [] : [];
  const factor = row.strength_model / peakOf(points);
  if (!Number.isFinite(factor)) return points;
  return points.map(({ place, strength }) => ({ place, strength: strength * factor }));
}

/** @param {Point[]} points */
export function writePoints(points) {
  return points.map(({ place, strength }) => `${rounded(strength)}@${rounded(place)}`).join(",");
}

/**
 * @param {Point[]} points
 * @returns {number} the strength that is furthest from 0, the first where there are several
 */
export function peakOf(points) {
  return points.reduce((peak, { strength }) => (Math.abs(strength) > Math.abs(peak) ? strength : peak), 0);
}

/**
 * @param {Point[]} points
 * @param {number} place
 * @returns {number} the strength there, straight between two points and held outside them
 */
export function strengthAt(points, place) {
  const after = points.findIndex((point) => point.place >= place);
  if (after < 0) return points.at(-1)?.strength ?? 0;
  const next = points[after];
  if (after === 0 || next.place === place) return next.strength;
  const before = points[after - 1];
  return before.strength + ((next.strength - before.strength) * (place - before.place)) / (next.place - before.place);
}

/**
 * The curves a person starts from, each with the strength of the row for its peak.
 *
 * @param {number} strength
 * @returns {Record<"rise" | "fall" | "riseAndFall" | "firstSteps", Point[]>}
 */
export function presets(strength) {
  const on = { place: 0, strength };
  const off = { place: 1, strength: 0 };
  return {
    rise: [{ place: 0, strength: 0 }, { place: 1, strength }],
    fall: [on, off],
    riseAndFall: [{ place: 0, strength: 0 }, { place: 0.5, strength }, off],
    firstSteps: [{ place: FIRST_STEPS, strength }, { place: FIRST_STEPS, strength: 0 }],
  };
}
