// Numbers as a person types and reads them.

const DECIMALS = 4;

/** @param {number} value to as many decimals as a text shows */
export function rounded(value) {
  const factor = 10 ** DECIMALS;
  return Math.round(value * factor) / factor + 0; // + 0 turns -0 into 0
}

/**
 * A number as it was typed, or null: a comma counts as a point.
 *
 * @param {string} typed
 */
export function readNumber(typed) {
  const plain = typed.trim().replace(",", ".").replace("−", "-");
  const value = Number(plain);
  return plain === "" || !Number.isFinite(value) ? null : value;
}

/** @param {number} value at least two decimals, more only where there are more */
export function showNumber(value) {
  const exact = String(rounded(value));
  const fixed = value.toFixed(2);
  return exact.length > fixed.length ? exact : fixed;
}
