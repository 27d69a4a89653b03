// One rack: its text, its rows, and the traffic between them and the server.
//
// The text is the truth. It is taken from outside as it is and never rewritten by reading it; only a person's edit
// makes a new one. Views are told to draw and are never asked for anything.

import { ServerError } from "../server.js";
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
    /** @type {string} what happened to the last paste, drop or write; empty when all went well */
    this.notice = "";
    this.isReading = false;
    this.showsText = false;
    this.isWired = false;
    /** @type {() => void} */
    this.draw = () => {};
  }

  #text = "";
  #reading = 0;
  /** @type {Promise<void> | null} */
  #writing = null;

  get text() {
    return this.#text;
  }

  /** Whether there is nothing to show: no text, or the example nobody has touched. */
  get isEmpty() {
    return this.#text.trim() === "" || this.#text === this.example;
  }

  /**
   * Take a text from outside: a workflow, an undo, another node, a person who types.
   *
   * @param {string} text
   */
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
    this.hooks.textChanged();
  }

  /** Read the text and look up the files it names. */
  async read() {
    const turn = ++this.#reading;
    this.isReading = true;
    this.draw();
    try {
      const rows = this.isEmpty ? [] : await this.server.parse(this.#text);
      if (turn !== this.#reading) return;
      this.problem = null;
      this.rows.replace(rows);
    } catch (error) {
      if (turn !== this.#reading) return;
      this.problem = asProblem(error);
    }
    this.isReading = false;
    this.draw();
    await this.#lookUp();
  }

  /** Read the text and the files anew, as when files came or went. */
  async refresh() {
    this.files.clear();
    await this.read();
  }

  /**
   * Change the rows and write the text anew.
   *
   * @param {(rows: Rows) => void} change
   * @param {boolean} [isGesture] whether more of the same is to come, as while a fader is dragged
   */
  edit(change, isGesture = false) {
    if (this.problem) return;
    this.#reading++; // an answer under way is about an older text
    this.isReading = false;
    change(this.rows);
    this.#take();
    void this.#write().then(() => {
      if (!isGesture) this.hooks.gestureEnded();
    });
  }

  /** A gesture whose steps were edits is over. */
  endGesture() {
    void this.settled().then(() => this.hooks.gestureEnded());
  }

  /** Resolves when the text holds every edit; with the server silent, when that is known. */
  async settled() {
    while (this.#writing) await this.#writing;
  }

  /**
   * Append the LoRAs of a text, whatever stands between its tags.
   *
   * @param {string} text
   */
  async addFromText(text) {
    this.#append(await this.#asked(() => this.server.parse(text, true)), "nothingInPaste");
  }

  /**
   * Append the LoRAs a picture or a workflow was made with.
   *
   * @param {Blob} file
   */
  async addFromFile(file) {
    this.#append(await this.#asked(() => this.server.stackInFile(file)), "nothingInFile");
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

  /**
   * @param {RowData} row
   * @returns {FileOfRow | undefined}
   */
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

  /** Write what could not be written. */
  retry() {
    this.notice = "";
    void this.#write().then(() => this.hooks.gestureEnded());
  }

  /**
   * @param {RowData[] | null} rows
   * @param {string} nothing
   */
  #append(rows, nothing) {
    if (!rows) return;
    this.notice = rows.length ? "" : nothing;
    if (!rows.length) return this.draw();
    this.edit((all) => all.insert(rows));
    void this.#lookUp();
  }

  /** Ask about the files not asked about yet. */
  async #lookUp() {
    const unknown = new Map(this.rows.entries.map((row) => [fileKey(row), row]));
    for (const key of this.files.keys()) unknown.delete(key);
    if (!unknown.size) return;
    const found = await this.#asked(() => this.server.files([...unknown.values()]));
    [...unknown.keys()].forEach((key, place) => found && this.files.set(key, found[place]));
    this.draw();
  }

  /**
   * @template T
   * @param {() => Promise<T>} question
   * @returns {Promise<T | null>}
   */
  async #asked(question) {
    try {
      return await question();
    } catch (error) {
      this.notice = asProblem(error).message;
      this.draw();
      return null;
    }
  }

  /** One question at a time; edits made meanwhile go with the next one. */
  #write() {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
    return this.#writing;
  }

  async #writeAll() {
    try {
      while (this.rows.stale.length) {
        const sent = this.rows.stale.map((row) => ({ ...row }));
        const written = await this.server.write(sent);
        this.rows.takeLines(sent, written.rows);
        this.notice = "";
        this.#take();
      }
    } catch (error) {
      this.notice = error instanceof ServerError ? error.message : "serverSilent";
      this.draw();
    }
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

/**
 * @param {unknown} error
 * @returns {Problem}
 */
function asProblem(error) {
  if (error instanceof ServerError) return error.problem;
  return { type: "Error", message: error instanceof Error ? error.message : String(error) };
}
