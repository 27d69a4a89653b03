// Tags that leave the text or come back: switched off and on, removed, moved to a rack and back. What is left of the text
// when a tag goes, the server says, as it is the server that takes tags out of a prompt.

import { problemOf } from "../server.js";
import { askUntag } from "./asking.mjs";
import { TEXTS } from "./texts.mjs";
import { put } from "./typing.mjs";
import { addRack, rackBefore } from "./wiring.mjs";

/** @typedef {import("./box.mjs").Box} Box @typedef {import("./desk.mjs").Desk} Desk @typedef {import("./lexer.mjs").Tag} Tag */

export class Moves {
  /** @param {Desk} desk */
  constructor(desk) {
    this.desk = desk;
  }

  /**
   * Switch a tag off or on: a line of its own that begins with `#` holds one that is off.
   *
   * @param {Box} box
   * @param {Tag} tag
   */
  async toggle(box, tag) {
    const { text } = box;
    const name = box.textOf(tag);
    const [start, end] = [text.lastIndexOf("\n", tag.start - 1) + 1, (text.indexOf("\n", tag.end) + 1 || text.length + 1) - 1];
    const [before, after] = [text.slice(start, tag.start), text.slice(tag.end, end)];
    const isAlone = after.trim() === "" && /^\s*(#\s*)?$/.test(before);
    if (isAlone) put(box.area, start, tag.start, tag.off ? "" : "# ");
    else {
      const left = await this.#without(box, [tag]);
      if (!left) return;
      const line = tag.off ? name : `# ${name}`;
      this.#write(box, left.text === "" ? line : `${left.text.replace(/\n$/, "")}\n${line}`);
    }
    this.#done(box);
  }

  /** @param {Box} box @param {Tag[]} tags */
  async remove(box, tags) {
    const left = await this.#without(box, tags);
    if (!left) return;
    this.#write(box, left.text);
    this.#done(box);
  }

  /** Move all tags that can be read to a rack before the node, in one step. @param {Box} box */
  async toRack(box) {
    const tags = box.tags.filter((tag) => tag.isClosed && tag.off !== "comment");
    await box.meanings.settled(tags.map((tag) => box.textOf(tag)));
    const readable = tags.filter((tag) => box.meaningOf(tag)?.row);
    const left = readable.length ? await this.#without(box, readable) : null;
    const owner = box.owner();
    if (!left || !owner) return;
    this.desk.host.rememberForUndo();
    const { node } = owner;
    box.area.blur(); // so that an undo is the graph's, which takes back both
    if (!addRack(node, left.rows.map((row) => row.text).join("\n"))) return box.say(TEXTS.noRoom);
    this.#write(box, left.text);
    this.#done(box);
  }

  /** Move the rows of the rack before the node into the prompt, in one step. @param {Box} box */
  async fromRack(box) {
    const owner = box.owner();
    const rack = owner && rackBefore(owner.node);
    if (!rack) return;
    const held = await rack.text();
    try {
      const rows = await this.desk.host.server.parse(held);
      if (rows.some(({ kind }) => kind === "comment")) return box.say(TEXTS.hasComments); // they would become words
      this.desk.host.rememberForUndo();
      box.area.blur();
      const lines = rows.map((row) => row.text);
      const isPlain = rows.every(({ enabled }) => enabled);
      const text = box.area.value;
      const gap = text.trim() === "" ? "" : isPlain ? (/\s$/.test(text) ? "" : " ") : "\n";
      this.#write(box, `${text}${gap}${lines.join(isPlain ? " " : "\n")}`);
      rack.remove();
      this.#done(box);
    } catch (error) {
      box.say(problemOf(error).message);
    }
  }

  /** @param {Box} box @param {Tag[]} tags */
  async #without(box, tags) {
    const { text } = box;
    try {
      const left = await askUntag(this.desk.host.server, text, tags.map(({ start }) => start));
      return box.area.value === text ? left : null; // it was typed into meanwhile
    } catch (error) {
      box.say(problemOf(error).message);
      return null;
    }
  }

  /** Put another text into the box, only what differs. @param {Box} box @param {string} text */
  #write(box, text) {
    const old = box.area.value;
    let [start, tail] = [0, 0];
    const most = Math.min(old.length, text.length);
    while (start < most && old[start] === text[start]) start++;
    while (tail < most - start && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail++;
    put(box.area, start, old.length - tail, text.slice(start, text.length - tail));
  }

  /** @param {Box} box */
  #done(box) {
    box.say("");
    box.draw();
    this.desk.caretMoved();
    this.desk.host.rememberForUndo();
  }
}
