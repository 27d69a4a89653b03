// One rack: its text, its rows, and the traffic between them and the server.
//
// The text is the truth. It is taken from outside as it is and never rewritten by reading it; only a person's edit
// makes a new one. Views are told to draw and are never asked for anything.
//
// The server answers when it does. While the rows of a newer text are under way, what a person does to the old ones
// shows at once and is done again to the new ones; an answer about an older text is dropped.

import { OneAtATime } from "../parts/one_at_a_time.js";
import { problemOf, SILENT } from "../server.js";
import { TEXTS } from "../texts.js";
import { fileKey, Rows } from "./rows.js";

/**
 * @typedef {import("../server.js").Server} Server
 * @typedef {import("../server.js").FileOfRow} FileOfRow
 * @typedef {import("../server.js").Problem} Problem
 * @typedef {import("./rows.js").Row} Row
 * @typedef {{name: string, state: "ok" | "partial" | "nothing", reason: string, text: string}} Verdict
 * @typedef {import("./rows.js").RowData} RowData
 *
 * @typedef {object} Hooks what the editor tells the node it belongs to
 * @property {() => void} textChanged
 * @property {() => void} gestureEnded a change is whole now: the moment for an undo step
 */

const TYPING_PAUSE_MS = 250;
const REFUSED = "Refused"; // a notice that stays until the next edit

export class RackEditor {
  /**
   * @param {Server} server
   * @param {Hooks} hooks
   * @param {string} example the default text, which a person sees as an empty rack
   */
  constructor(server, hooks, example) {
    this.server = server;
    this.hooks = hooks;
    this.example = example;
    this.rows = new Rows();
    /** @type {Map<string, FileOfRow>} what is known of the files the rows mean */
    this.files = new Map();
    /** @type {Map<number, Verdict>} what became of the rows in the last run */
    this.verdicts = new Map();
    /** @type {Problem | null} why the text cannot be shown as rows */
    this.problem = null;
    /** @type {Problem | null} what was wrong with the last paste, drop or write */
    this.notice = null;
    /** Whether the rows are still those of an older text. */
    this.isReading = false;
    this.showsText = false;
    this.isWired = false;
    /** @type {{settled(): Promise<void>} | null} what also edits a row: the equaliser opened last */
    this.panel = null;
    /** @type {() => void} */
    this.draw = () => {};
  }

  #text = "";
  /** Which text it is, counted; an answer to an earlier one is late. */
  #turn = 0;
  #pause = 0;
  #reading = Promise.resolve();
  /** @type {((rows: Rows) => void)[]} changes made while the text was being read */
  #held = [];
  #writing = new OneAtATime(() => this.#write());
  /** @type {(() => Promise<void>)[]} what was asked for once and got no answer */
  #unanswered = [];

  get text() {
    return this.#text;
  }

  /** Whether there is nothing to show: no text, or the example nobody has touched. */
  get isEmpty() {
    return this.#text.trim() === "" || this.#text === this.example;
  }

  /** @param {string} text from outside: a workflow, an undo, another node, a person who types */
  setText(text) {
    if (text === this.#text) return;
    this.#text = text;
    void this.read();
  }

  /**
   * Take a text a person is typing; it is read when they pause.
   *
   * @param {string} text
   */
  type(text) {
    this.#text = text;
    this.#turn++;
    this.isReading = true;
    clearTimeout(this.#pause);
    this.#pause = window.setTimeout(() => void this.read(), TYPING_PAUSE_MS);
    this.hooks.textChanged();
  }

  /** Read a text that was typed now, as its writer has turned to something else. */
  stopTyping() {
    if (this.#pause) void this.read();
  }

  /** Read the text and look up the files it names. */
  async read() {
    clearTimeout(this.#pause);
    this.#pause = 0;
    const turn = ++this.#turn;
    this.isReading = true;
    this.draw();
    this.#reading = this.#readText(turn);
    await this.#reading;
    if (turn === this.#turn) await this.#lookUp();
  }

  /** @param {number} turn */
  async #readText(turn) {
    const [rows, problem] = await this.#parsed();
    if (turn !== this.#turn) return;
    this.isReading = false;
    this.problem = problem;
    const held = this.#held.splice(0);
    if (!problem) this.rows.replace(rows);
    if (problem || !held.length) return this.draw();
    for (const change of held) change(this.rows);
    this.#take();
    void this.#writing.run();
  }

  /** @returns {Promise<[RowData[], Problem | null]>} */
  async #parsed() {
    try {
      return [this.isEmpty ? [] : await this.server.parse(this.#text), null];
    } catch (error) {
      return [[], problemOf(error)];
    }
  }

  /** Look the files up anew, as when some came or went. */
  async refresh() {
    this.files = new Map();
    await (this.problem ? this.read() : this.#lookUp());
  }

  /**
   * Change the rows and write the text anew.
   *
   * @param {(rows: Rows) => void} change may be called a second time, for the rows of a text that is being read
   * @param {boolean} [isGesture] whether more of the same is to come, as while a fader is dragged
   */
  edit(change, isGesture = false) {
    if (this.notice?.type === REFUSED) this.notice = null;
    if (this.isReading) {
      this.#held.push(change);
      change(this.rows);
      this.draw();
      this.stopTyping();
    } else if (this.problem) return;
    else {
      change(this.rows);
      this.#take();
      void this.#writing.run();
    }
    if (!isGesture) this.endGesture();
  }

  /** A gesture whose steps were edits is over. */
  endGesture() {
    void this.settled().then(() => this.hooks.gestureEnded());
  }

  /** Resolves when the text holds every edit; with the server silent, when that is known. */
  async settled() {
    await this.panel?.settled();
    while (this.#held.length) {
      this.stopTyping();
      await this.#reading;
    }
    await this.#writing.run();
  }

  /** Resolves when the rows are those of the text and their files are known, or cannot be. */
  async known() {
    while (this.isReading) {
      this.stopTyping();
      await this.#reading;
    }
    await this.#lookUp();
  }

  /**
   * Append the LoRAs of a text, whatever stands between its tags.
   *
   * @param {string} text
   */
  async addFromText(text) {
    const rows = await this.#asked(() => this.server.parse(text, true), () => this.addFromText(text));
    this.#append(rows, TEXTS.nothingInPaste);
  }

  /**
   * Append the LoRAs a picture or a workflow was made with.
   *
   * @param {Blob} file
   */
  async addFromFile(file) {
    const found = await this.#asked(() => this.server.stackInFile(file), () => this.addFromFile(file));
    if (!found) return;
    const here = new Set(this.rows.all.map(({ text }) => text));
    const rows = found.rows.filter(({ text }) => !here.has(text)); // dropped twice they would count twice
    if (found.rows.length && !rows.length) return this.refuse(TEXTS.allHere);
    this.#append(rows, [TEXTS.nothingInFile, ...found.remarks].join("\n"));
    if (rows.length && found.remarks.length) this.refuse(found.remarks.join("\n"));
  }

  /** @param {string} message why something was not done */
  refuse(message) {
    this.notice = { type: REFUSED, message };
    this.draw();
  }

  /**
   * Append a row for a file.
   *
   * @param {RowData} row
   * @param {FileOfRow} file
   */
  add(row, file) {
    this.files.set(fileKey(row), file);
    this.edit((rows) => rows.insert([row]));
  }

  /** @param {RowData} row */
  fileOf(row) {
    return this.files.get(fileKey(row));
  }

  /**
   * Let a row mean another file.
   *
   * @param {number} id
   * @param {string} name
   */
  rename(id, name) {
    this.verdicts.delete(id);
    this.edit((rows) => rows.change(id, { name, hash: "" }));
    void this.#lookUp();
  }

  /**
   * Show what became of the rows in a run. Each verdict is of the next row of its file, as they were applied.
   *
   * @param {Verdict[]} verdicts
   * @returns {Verdict[]} those of other racks
   */
  judge(verdicts) {
    this.verdicts.clear();
    const left = [...verdicts];
    for (const row of this.rows.entries.filter(({ enabled }) => enabled)) {
      const file = this.fileOf(row)?.card?.name;
      const place = left.findIndex(({ name }) => name === file);
      if (place >= 0) this.verdicts.set(row.id, left.splice(place, 1)[0]);
    }
    this.draw();
    return left;
  }

  get isSilent() {
    return (this.problem ?? this.notice)?.type === SILENT;
  }

  /** Do what the server did not answer to. */
  retry() {
    if (!this.isSilent) return;
    this.notice = null;
    const unanswered = this.#unanswered.splice(0);
    if (this.problem) void this.read();
    else {
      void this.#lookUp();
      this.endGesture();
    }
    for (const ask of unanswered) void ask();
  }

  /**
   * @param {RowData[] | null} rows
   * @param {string} nothing what to say when there are none
   */
  #append(rows, nothing) {
    if (!rows) return;
    this.notice = rows.length ? null : { type: "Nothing", message: nothing };
    if (!rows.length) return this.draw();
    this.edit((all) => all.insert(rows));
    void this.#lookUp();
  }

  /** Ask about the files not asked about yet. */
  async #lookUp() {
    const { files } = this;
    const unknown = new Map(this.rows.units.map((row) => [fileKey(row), row]));
    for (const key of files.keys()) unknown.delete(key);
    if (!unknown.size) return;
    const found = await this.#asked(() => this.server.files([...unknown.values()]));
    if (!found) return;
    [...unknown.keys()].forEach((key, place) => files.set(key, found[place]));
    this.draw();
  }

  /**
   * @template T
   * @param {() => Promise<T>} question
   * @param {() => Promise<void>} [again] what to do when the server is back, where nothing else would ask anew
   * @returns {Promise<T | null>}
   */
  async #asked(question, again) {
    try {
      return await question();
    } catch (error) {
      this.notice = problemOf(error);
      if (this.isSilent && again) this.#unanswered.push(again);
      this.draw();
      return null;
    }
  }

  async #write() {
    const sent = this.rows.stale.map((row) => ({ ...row }));
    if (!sent.length || this.isReading || this.problem) return;
    const turn = this.#turn;
    const written = await this.#asked(() => this.server.write(sent));
    if (!written || turn !== this.#turn) return;
    this.rows.takeLines(sent, written.rows);
    this.retry(); // what else it did not answer to
    if (this.notice?.type !== REFUSED) this.notice = null;
    this.#take();
  }

  #take() {
    const text = this.rows.text;
    if (text !== this.#text) {
      this.#text = text;
      this.hooks.textChanged();
    }
    this.draw();
  }
}
