// Finding names by what was typed of them, among thousands and within one key: the list is in the page.

const LETTERS = 0.5;

export class Names {
  /** @param {string[]} names as the host lists them */
  constructor(names) {
    this.all = names.map((name) => {
      const path = name.replace(/\\/g, "/").toLowerCase();
      const stem = path.replace(/^.*\//, "").replace(/\.\w+$/, "");
      return { name, path, stem };
    });
  }

  /**
   * The names that hold every part of what was typed, best first; those whose file begins so before the others.
   *
   * @param {string} typed
   * @param {number} most
   * @returns {string[]}
   */
  find(typed, most) {
    const terms = typed.toLowerCase().replace(/\\/g, "/").split(/\s+/).filter(Boolean);
    if (!terms.length) return this.all.slice(0, most).map(({ name }) => name);
    /** @type {{name: string, score: number}[]} */
    const found = [];
    for (const { name, path, stem } of this.all) {
      let score = 0;
      for (const term of terms) {
        const one = scoreOf(term, stem, path);
        score = one ? score + one : -Infinity;
      }
      if (score > 0) found.push({ name, score });
    }
    found.sort((one, other) => other.score - one.score || one.name.length - other.name.length);
    return found.slice(0, most).map(({ name }) => name);
  }
}

/** @param {string} term @param {string} stem @param {string} path */
function scoreOf(term, stem, path) {
  const place = stem.indexOf(term);
  if (place === 0) return 4 + term.length / stem.length;
  if (place > 0) return /[\p{L}\p{N}]/u.test(stem[place - 1]) ? 2 : 3;
  if (path.startsWith(term)) return 2.5;
  if (path.includes(term)) return 1;
  return term.length > 1 && hasLetters(term, stem) ? LETTERS : 0;
}

/** @param {string} term @param {string} stem @returns {boolean} whether its letters come in order, not far apart */
function hasLetters(term, stem) {
  let place = -1;
  let first = -1;
  for (const letter of term) {
    place = stem.indexOf(letter, place + 1);
    if (place < 0) return false;
    if (first < 0) first = place;
  }
  return place - first < 4 * term.length;
}
