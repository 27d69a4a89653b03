// What a sweep sends to the page: its pictures as files, and what was measured on them.

/**
 * @typedef {object} Frame one picture in the host's folders, and what was measured on it
 * @property {string} filename
 * @property {string} subfolder
 * @property {string} type
 * @property {number[]} strengths one of each axis
 * @property {number} latent which of several pictures at the same strengths
 * @property {Record<string, number>} measures
 *
 * @typedef {{filename: string, subfolder: string, type: string}} FileReference
 *
 * @typedef {object} Result what a node sends to the page, and what a workflow keeps
 * @property {Frame[]} frames
 * @property {{lora: string, values: number[]}[]} axes
 * @property {FileReference | null} sheet
 */

/**
 * A result out of a node's output or a workflow; null for what is none.
 *
 * @param {unknown} value
 * @returns {Result | null}
 */
export function readResult(value) {
  if (typeof value !== "object" || value === null || !("frames" in value)) return null;
  const { frames, axes, sheet } = /** @type {Partial<Result>} */ (value);
  const isWhole = Array.isArray(frames) && frames.length > 0 && frames.every((frame) =>
    typeof frame?.filename === "string" && Array.isArray(frame.strengths) && frame.strengths.length > 0 &&
    frame.strengths.every(Number.isFinite));
  return isWhole ? { frames, axes: Array.isArray(axes) ? axes : [], sheet: sheet ?? null } : null;
}
