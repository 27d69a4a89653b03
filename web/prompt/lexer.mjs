// Where tags stand in a prompt. It finds them and judges nothing: what a tag means, the server says. The rules are those
// of lora_core/grammar (prompts.py, tags.py), and a test holds both to the same texts.

/**
 * @typedef {object} Tag a tag as it stands in a text
 * @property {number} start the place of its `<`
 * @property {number} end the place after its `>`, or where an unclosed tag gives up
 * @property {boolean} isClosed
 * @property {"" | "line" | "comment"} off what switches it off: a `#` before it, or a comment that the host takes out
 */

const OPENS = /<[ \t]*(?:(?:lora|lyco)(?![\p{L}\p{N}_-])|(?:rack|hypernet|loractl)[ \t]*:)/giu;
const IS_OFF = /^\s*#/;
const COMMENTS = /\/\*[\s\S]*?\*\/|\/\/.*/g; // as the host's page takes them out of a prompt before it is queued

/**
 * @param {string} text
 * @param {boolean} hasComments whether the host takes comments out of it
 * @returns {Tag[]}
 */
export function tagsIn(text, hasComments) {
  /** @type {Tag[]} */
  const tags = [];
  const lines = new Lines(text);
  const comments = hasComments ? new Comments(text) : null;
  OPENS.lastIndex = 0;
  for (let found = OPENS.exec(text); found; found = OPENS.exec(text)) {
    const start = found.index;
    lines.goTo(start);
    const opened = text.indexOf("<", start + 1);
    const limit = opened < 0 ? lines.end : Math.min(opened, lines.end);
    const closed = text.slice(start, limit).indexOf(">");
    const end = closed < 0 ? limit : start + closed + 1;
    const off = comments?.cut(start, end) ? "comment" : lines.isOffBefore(start) ? "line" : "";
    tags.push({ start, end, isClosed: closed >= 0, off });
    OPENS.lastIndex = end;
  }
  return tags;
}

/** The line a place is in, for places that only grow. */
class Lines {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
    this.end = -1;
    this.sharp = -1; // where the '#' ends that begins the line
    this.#next(0);
  }

  /** @param {number} place */
  goTo(place) {
    while (this.end < place) this.#next(this.end + 1);
  }

  /** @param {number} place */
  isOffBefore(place) {
    return this.sharp >= 0 && this.sharp <= place;
  }

  /** @param {number} start */
  #next(start) {
    const end = this.text.indexOf("\n", start);
    this.end = end < 0 ? this.text.length : end;
    const sharp = IS_OFF.exec(this.text.slice(start, this.end));
    this.sharp = sharp ? start + sharp[0].length : -1;
  }
}

/** The comments of a text, for places that only grow. */
class Comments {
  /** @param {string} text */
  constructor(text) {
    this.all = [...text.matchAll(COMMENTS)].map((found) => [found.index, found.index + found[0].length]);
    this.here = 0;
  }

  /** @param {number} start @param {number} end @returns {boolean} whether a comment takes some of it away */
  cut(start, end) {
    while (this.here < this.all.length && this.all[this.here][1] <= start) this.here++;
    return this.here < this.all.length && this.all[this.here][0] < end;
  }
}

/**
 * The tag a caret is on: inside it or right behind it; one it stands right before only where there is no other.
 *
 * @param {Tag[]} tags
 * @param {number} caret
 */
export function tagAt(tags, caret) {
  return tags.find(({ start, end }) => start < caret && caret <= end) ?? tags.find(({ start }) => start === caret);
}
