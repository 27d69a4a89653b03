// The rows of one rack: plain data and what may be done to it. No DOM, no server, no grammar.
//
// Every row carries its own line of text, written by the server, so order, number and copies of rows can change
// here without anyone reading or writing a tag; a row whose fields changed is stale until its line is written anew.

import { rounded } from "../parts/numbers.js";

/**
 * @typedef {object} RowData a row as the server reads and writes it
 * @property {"entry" | "rack" | "comment"} kind
 * @property {string} text
 * @property {string} [comment]
 * @property {string} name
 * @property {number} strength_model
 * @property {number} strength_clip
 * @property {boolean} enabled
 * @property {string} blocks
 * @property {string} elements
 * @property {number} start
 * @property {number} stop
 * @property {string} hash
 * @property {string} steps those of the sampler in which it acts, empty for all
 * @property {string} curve its strength for the model over the sampling, empty where that stays the same
 * @property {boolean} is_clip_on_curve whether the text encoder was given the curve too
 * @property {number} [strength] of a named rack: what all strengths in it are multiplied by
 * @property {number[]} [bars] a picture of its block weights, by the server
 * @property {import("../server.js").Problem} [problem] why no tag can hold it: it has no line then
 *
 * @typedef {RowData & {id: number, stale: boolean}} Row `id` is this page's, never saved
 */

export const STRENGTH_LIMIT = 100;

let lastId = 0;

/**
 * @param {number} value
 * @returns {number} within the host's range, rounded to what a text shows
 */
export function cleanStrength(value) {
  return rounded(Math.min(STRENGTH_LIMIT, Math.max(-STRENGTH_LIMIT, value)));
}

/**
 * @param {number} value
 * @returns {number} within 0 and 1
 */
export function cleanFraction(value) {
  return rounded(Math.min(1, Math.max(0, value)));
}

export class Rows {
  constructor() {
    /** @type {Row[]} */
    this.all = [];
    /** @type {{id: number, others: Map<number, boolean>} | null} which row sounds alone, and who was on before */
    this.solo = null;
  }

  get entries() {
    return this.all.filter((row) => row.kind === "entry");
  }

  /** Rows that can be switched on and off. */
  get units() {
    return this.all.filter((row) => row.kind !== "comment");
  }

  /** The text as far as it is written: a new row is left out until the server has written its line. */
  get text() {
    return this.all.map((row) => row.text).filter((line) => line !== "").join("\n");
  }

  get stale() {
    return this.all.filter((row) => row.stale);
  }

  /** @param {number} id */
  find(id) {
    return this.all.find((row) => row.id === id);
  }

  /**
   * Take rows read from a text. A row that was here before keeps its id, so that its picture stays open.
   *
   * @param {RowData[]} read
   */
  replace(read) {
    const before = [...this.all];
    this.all = read.map((data) => {
      const place = before.findIndex((row) => row.kind === data.kind && row.name === data.name);
      const id = place >= 0 ? before.splice(place, 1)[0].id : ++lastId;
      return { ...data, id, stale: false };
    });
    this.solo = null;
  }

  /**
   * @param {RowData[]} read
   * @param {number} [place]
   * @returns {Row[]} the new rows
   */
  insert(read, place = this.all.length) {
    const added = read.map((data) => ({ ...data, id: ++lastId, stale: data.text === "" }));
    this.all.splice(place, 0, ...added);
    return added;
  }

  /**
   * @param {number} id
   * @param {Partial<RowData>} fields
   */
  change(id, fields) {
    const row = this.find(id);
    if (row) Object.assign(row, fields, { stale: true });
  }

  /** @param {number} id */
  remove(id) {
    this.all = this.all.filter((row) => row.id !== id);
  }

  /** @param {number} id */
  duplicate(id) {
    const place = this.all.findIndex((row) => row.id === id);
    if (place >= 0) this.all.splice(place + 1, 0, { ...this.all[place], id: ++lastId });
  }

  /**
   * @param {number} id
   * @param {number} place where it stands afterwards
   */
  move(id, place) {
    const from = this.all.findIndex((row) => row.id === id);
    const to = Math.min(this.all.length - 1, Math.max(0, place));
    if (from >= 0) this.all.splice(to, 0, ...this.all.splice(from, 1));
  }

  /** @param {boolean} enabled */
  switchAll(enabled) {
    this.solo = null;
    for (const row of this.units) if (row.enabled !== enabled) this.change(row.id, { enabled });
  }

  /**
   * Only this row on; a second time, all as they were before.
   *
   * @param {number} id
   */
  toggleSolo(id) {
    const before = this.solo?.others ?? new Map(this.units.map((row) => [row.id, row.enabled]));
    const ends = this.solo?.id === id;
    for (const row of this.units) {
      const enabled = ends ? before.get(row.id) ?? row.enabled : row.id === id;
      if (row.enabled !== enabled) this.change(row.id, { enabled });
    }
    this.solo = ends ? null : { id, others: before };
  }

  /**
   * Take the written lines of rows as they were sent; a row changed since then stays stale.
   *
   * @param {Row[]} sent copies of the rows as sent
   * @param {RowData[]} written
   */
  takeLines(sent, written) {
    sent.forEach((copy, place) => {
      const row = this.find(copy.id);
      if (!row) return;
      const { text, bars, problem } = written[place];
      if (!problem) Object.assign(row, { text, bars });
      row.problem = problem;
      row.stale = !sameFields(row, copy);
    });
  }
}

/** @type {(keyof RowData)[]} */
const FIELDS = [
  "name", "strength_model", "strength_clip", "enabled", "strength", "blocks", "elements", "start", "stop", "steps",
  "curve", "is_clip_on_curve", "hash", "comment",
];

/**
 * @param {RowData} one
 * @param {RowData} other
 */
function sameFields(one, other) {
  return FIELDS.every((field) => one[field] === other[field]);
}

/**
 * A new row for a file; its line is still to be written.
 *
 * @param {string} name
 * @param {number | null} strength
 * @param {number | null} strengthClip
 * @returns {RowData}
 */
export function newEntry(name, strength, strengthClip) {
  const model = strength ?? 1;
  return {
    kind: "entry", text: "", name, strength_model: model, strength_clip: strengthClip ?? model, enabled: true,
    blocks: "", elements: "", start: 0, stop: 1, steps: "", curve: "", is_clip_on_curve: false, hash: "",
  };
}

/**
 * What decides which file a row means.
 *
 * @param {RowData} row
 */
export function fileKey(row) {
  return `${row.name}\n${row.kind === "rack" ? "rack" : row.hash}`;
}
