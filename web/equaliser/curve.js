// The weights an equaliser shows: plain numbers and what a hand may do to them. No DOM, no server, no grammar.

/**
 * @typedef {object} Block one block of the family a LoRA was made for, in the model's order
 * @property {string} id
 * @property {string} kind the id without its number, such as IN
 * @property {number} share of the LoRA's whole energy, 0 to 1
 * @property {boolean} isPresent whether the file changes it
 * @property {Record<string, number>} elements the share of each element inside it
 *
 * @typedef {Record<string, number>} Weights by block id
 */

/** What a block weighs that nobody has set. */
export const NEUTRAL = 1;
/** As far as a hand can pull; a text may hold more. */
export const LIMIT = 10;
const STEP = 0.05;
const FINE_STEP = 0.01;
const USUAL_HIGH = 1.5;
const DECIMALS = 4;

/**
 * @param {number} value
 * @param {boolean} [isFine]
 * @returns {number} on the grid a hand draws on, within the limit
 */
export function snapped(value, isFine = false) {
  const step = isFine ? FINE_STEP : STEP;
  return cleaned(Math.round(value / step) * step);
}

/** @param {number} value */
export function cleaned(value) {
  const factor = 10 ** DECIMALS;
  return Math.round(Math.min(LIMIT, Math.max(-LIMIT, value)) * factor) / factor + 0; // + 0 turns -0 into 0
}

/**
 * What a stroke from one block to another sets: a straight line over all blocks between, each on the grid.
 *
 * @param {Block[]} blocks
 * @param {{place: number, value: number}} from
 * @param {{place: number, value: number}} to
 * @param {boolean} isFine
 * @returns {Weights} of blocks the file has; a weight for another would do nothing
 */
export function stroke(blocks, from, to, isFine) {
  /** @type {Weights} */
  const set = {};
  const span = to.place - from.place;
  const direction = Math.sign(span);
  for (let place = from.place; ; place += direction) {
    const along = span === 0 ? 1 : (place - from.place) / span;
    const block = blocks[place];
    if (block?.isPresent) set[block.id] = snapped(from.value + along * (to.value - from.value), isFine);
    if (place === to.place) return set;
  }
}

/**
 * @param {Block[]} blocks
 * @param {Weights} weights
 * @returns {Weights} 1 - w for every block the file has
 */
export function inverted(blocks, weights) {
  return Object.fromEntries(present(blocks).map(({ id }) => [id, cleaned(1 - (weights[id] ?? NEUTRAL))]));
}

/**
 * @param {Block[]} blocks
 * @returns {Block[]}
 */
export function present(blocks) {
  return blocks.filter((block) => block.isPresent);
}

/**
 * The range of the scale: the usual one, in halves wider where a weight stands beyond it.
 *
 * @param {number[]} values
 */
export function scaleFor(values) {
  return {
    low: Math.min(0, Math.floor(Math.min(0, ...values) * 2) / 2),
    high: Math.max(USUAL_HIGH, Math.ceil(Math.max(0, ...values) * 2) / 2),
  };
}

/**
 * Every how many blocks of a kind the number stands below a bar.
 *
 * @param {number} count
 */
export function labelStep(count) {
  if (count <= 30) return 1;
  return count <= 70 ? 5 : 10;
}
