// What is being typed at the caret: the name of a LoRA, a strength, a named part, or the name of an embedding.

/**
 * @typedef {import("./lexer.mjs").Tag} Tag
 *
 * @typedef {object} Context
 * @property {"name" | "strength" | "part" | "embedding"} kind
 * @property {number} from where what is typed begins
 * @property {number} to where it ends: behind the caret in a tag that is closed
 * @property {string} typed up to the caret
 * @property {boolean} closes whether the tag still lacks its `>`
 * @property {string} tag the tag up to the caret
 */

const EMBEDDING = /(?:^|[\s(,])embedding:([^\s,()]*)$/i;
const NAMES_A_FILE = /^<[ \t]*(?:lora|lyco)[ \t]*:/i;
const WORDS = /[\s,]/;

/**
 * @param {string} text
 * @param {number} caret
 * @param {Tag[]} tags
 * @returns {Context | null}
 */
export function contextAt(text, caret, tags) {
  const tag = tags.find(({ start, end, isClosed }) => start < caret && (isClosed ? caret < end : caret <= end));
  if (tag) return contextIn(text, caret, tag);
  const found = EMBEDDING.exec(text.slice(Math.max(0, caret - 300), caret));
  if (!found) return null;
  return { kind: "embedding", from: caret - found[1].length, to: caret, typed: found[1], closes: false, tag: "" };
}

/** @param {string} text @param {number} caret @param {Tag} tag @returns {Context | null} */
function contextIn(text, caret, tag) {
  const before = text.slice(tag.start, caret);
  const head = NAMES_A_FILE.exec(before);
  if (!head) return null;
  const fields = before.slice(head[0].length).split(":");
  const typed = fields[fields.length - 1].trimStart();
  const rest = /^[^:>]*/.exec(text.slice(caret, tag.end))?.[0] ?? "";
  const isCut = !tag.isClosed || WORDS.test(rest); // what follows are words, and no part of the tag
  const kind = fields.length === 1 ? "name" : fields.length === 2 && !/^[a-z]/i.test(typed) ? "strength" : "part";
  return { kind, from: caret - typed.length, to: isCut ? caret : caret + rest.length, typed, closes: isCut, tag: before };
}
