// The pictures of a sweep in their order, and where between them one looks. No DOM, no host.

/** @typedef {import("./result.js").Frame} Frame @typedef {import("./result.js").Result} Result */

/** The measures a person reads, in this order; what else was measured stands in the node's output. */
export const MEASURES = /** @type {const} */ (["luma", "saturation", "detail"]);

/** The pictures as columns (first axis), lines (second) and latents, with a place among them. */
export class Frames {
  /** @param {Result} result */
  constructor(result) {
    this.result = result;
    this.columns = ascending(result.frames.map((frame) => frame.strengths[0]));
    this.lines = ascending(result.frames.map((frame) => frame.strengths[1] ?? 0));
    this.latents = 1 + Math.max(...result.frames.map((frame) => frame.latent ?? 0));
    /** Between which columns one looks; a whole number is a picture as it was rendered. */
    this.column = nearestTo(this.columns, 0);
    this.line = nearestTo(this.lines, 0);
    this.latent = 0;
    /** The column on the other side of the wipe. */
    this.other = this.column;
    /** How much of the width the other side has. */
    this.wipe = 0.5;
    this.isWiping = false;
  }

  get hasTwoAxes() {
    return this.lines.length > 1;
  }

  /** The column of the picture nearest to where one looks. */
  get nearest() {
    return Math.round(this.column);
  }

  /** The first axis' strength where one looks, between pictures in proportion. */
  get strength() {
    const low = Math.floor(this.column);
    const high = Math.min(low + 1, this.columns.length - 1);
    return this.columns[low] + (this.columns[high] - this.columns[low]) * (this.column - low);
  }

  /**
   * @param {number} column
   * @param {number} [line]
   * @returns {Frame | undefined}
   */
  at(column, line = this.line) {
    return this.result.frames.find((frame) => frame.strengths[0] === this.columns[column] &&
      (frame.strengths[1] ?? 0) === this.lines[line] && (frame.latent ?? 0) === this.latent);
  }

  /**
   * What is seen: pictures from behind to front, each with how much of it.
   *
   * @returns {{frame: Frame, opacity: number}[]}
   */
  seen() {
    const low = Math.floor(this.column);
    const shown = [{ frame: this.at(low), opacity: 1 }, { frame: this.at(low + 1), opacity: this.column - low }];
    return /** @type {{frame: Frame, opacity: number}[]} */ (shown.filter(({ frame, opacity }) => frame && opacity > 0));
  }

  /**
   * The pictures to have at hand: all if they are few, else what is seen and what a small move brings.
   *
   * @param {number} few
   * @returns {Frame[]}
   */
  atHand(few) {
    if (this.result.frames.length <= few) return this.result.frames;
    const low = Math.floor(this.column);
    const columns = new Set([low, low + 1, this.other, low - 1, low + 2]);
    const lines = [this.line, this.line - 1, this.line + 1];
    return lines.flatMap((line) => [...columns].flatMap((column) => this.at(column, line) ?? []));
  }

  /** @param {number} strength @returns {number} the place of a strength between columns */
  columnOf(strength) {
    const last = this.columns.length - 1;
    const high = this.columns.findIndex((value) => value >= strength);
    if (high < 0) return last;
    if (high === 0) return 0;
    const low = this.columns[high - 1];
    return high - 1 + (strength - low) / (this.columns[high] - low);
  }

  /** @param {number} column @param {number} [line] */
  goTo(column, line = this.line) {
    this.column = within(column, this.columns.length - 1);
    this.line = Math.round(within(line, this.lines.length - 1));
  }

  /** @param {number} column */
  compareWith(column) {
    this.other = Math.round(within(column, this.columns.length - 1));
  }

  /**
   * Look at what is nearest to what was looked at in an earlier result.
   *
   * @param {Frames} before
   */
  lookLike(before) {
    this.goTo(nearestTo(this.columns, before.strength), nearestTo(this.lines, before.lines[before.line]));
    this.other = nearestTo(this.columns, before.columns[before.other]);
    this.latent = Math.min(before.latent, this.latents - 1);
    this.wipe = before.wipe;
    this.isWiping = before.isWiping;
  }

  /** Choose another strength than the one looked at: none at all, or else the lowest. */
  chooseOther() {
    const last = this.columns.length - 1;
    const places = [nearestTo(this.columns, 0), 0, last];
    this.other = places.find((column) => column !== this.nearest) ?? 0;
  }

  /** @param {number} fraction */
  wipeTo(fraction) {
    this.wipe = within(fraction, 1);
  }

  /** @param {number} strength @returns {number} 0 to 1 along the track */
  along(strength) {
    const [low, high] = [this.columns[0], this.columns[this.columns.length - 1]];
    return high > low ? within((strength - low) / (high - low), 1) : 0.5;
  }

  /** @param {number} fraction of the track @returns {number} */
  strengthAlong(fraction) {
    const [low, high] = [this.columns[0], this.columns[this.columns.length - 1]];
    return low + within(fraction, 1) * (high - low);
  }

  /**
   * @param {string} measure
   * @param {number} line
   * @returns {{strength: number, value: number}[]}
   */
  curve(measure, line) {
    return this.columns.flatMap((strength, column) => {
      const value = this.at(column, line)?.measures[measure];
      return value === undefined ? [] : [{ strength, value }];
    });
  }

  /** @param {string} measure @returns {{low: number, high: number}} over every picture shown in the chart */
  range(measure) {
    const values = this.lines.flatMap((_, line) => this.curve(measure, line).map(({ value }) => value));
    return { low: Math.min(...values), high: Math.max(...values) };
  }
}

/** @param {number[]} values */
function ascending(values) {
  return [...new Set(values)].sort((one, other) => one - other);
}

/** @param {number[]} values @param {number} wanted */
export function nearestTo(values, wanted) {
  let best = 0;
  values.forEach((value, place) => {
    if (Math.abs(value - wanted) < Math.abs(values[best] - wanted)) best = place;
  });
  return best;
}

/** @param {number} value @param {number} most */
function within(value, most) {
  return Math.min(most, Math.max(0, value));
}

/** @param {number} value a strength with its sign, so that one end is told from the other */
export function showStrength(value) {
  const rounded = Math.round(value * 1000) / 1000;
  return rounded === 0 ? "0" : `${rounded > 0 ? "+" : "−"}${Math.abs(rounded)}`;
}
