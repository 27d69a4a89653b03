// The questions the page asks the server (nodes/page/routes.py). It reads and writes no stack text by itself.

import { Jobs } from "./getting/jobs.js";
import { TEXTS } from "./texts.js";

/** @typedef {import("./answers.mjs").Card} Card */
/** @typedef {import("./answers.mjs").Problem} Problem */
/** @typedef {import("./answers.mjs").FileOfRow} FileOfRow */
/** @typedef {import("./answers.mjs").Profile} Profile */
/** @typedef {import("./answers.mjs").Curve} Curve */
/** @typedef {import("./answers.mjs").Drawing} Drawing */
/** @typedef {import("./answers.mjs").RowData} RowData */
/** @typedef {import("./answers.mjs").Written} Written */
/** @typedef {import("./answers.mjs").CardPage} CardPage */
/** @typedef {import("./answers.mjs").Fetch} Fetch */

/** An answer that says why not: `problem.type` is the class of the error in Python. */
export class ServerError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.message);
    this.problem = problem;
  }
}

/** The type of the problem that there was no answer at all. */
export const SILENT = "Silent";

/**
 * Why a question failed.
 *
 * @param {unknown} error
 * @returns {Problem}
 */
export function problemOf(error) {
  return error instanceof ServerError ? error.problem : { type: SILENT, message: TEXTS.serverSilent };
}

export class Server {
  /**
   * @param {Fetch} fetchApi
   * @param {(path: string) => string} apiUrl
   */
  constructor(fetchApi, apiUrl) {
    this.fetchApi = fetchApi;
    this.apiUrl = apiUrl;
    this.jobs = new Jobs((path) => this.ask(path)); // the downloads
  }

  /**
   * @param {string} query
   * @param {number} offset
   * @param {number} limit
   * @returns {Promise<CardPage>}
   */
  loras(query, offset, limit) {
    return this.ask(`loras?${new URLSearchParams({ query, offset: `${offset}`, limit: `${limit}` })}`);
  }

  /** @param {Card} card */
  thumbnailUrl(card) {
    return this.apiUrl(`/lora_rack/thumbnail?${new URLSearchParams({ name: card.name, v: card.preview })}`);
  }

  /**
   * The rows of a stack's text; with `anywhere`, of the tags in any text.
   *
   * @param {string} text
   * @param {boolean} [anywhere]
   * @returns {Promise<RowData[]>}
   */
  async parse(text, anywhere = false) {
    return (await this.post("parse", { text, anywhere })).rows;
  }

  /**
   * Which file each row means, or why there is none.
   *
   * @param {RowData[]} rows
   * @returns {Promise<FileOfRow[]>}
   */
  async files(rows) {
    return (await this.post("files", { rows })).files;
  }

  /**
   * The rows again, each with its canonical line, or with the problem why it has none.
   *
   * @param {RowData[]} rows
   * @returns {Promise<Written>}
   */
  write(rows) {
    return this.post("write", { rows, partial: true });
  }

  /**
   * The rows of the LoRAs a picture or a workflow was made with.
   *
   * @param {Blob} file
   * @returns {Promise<{rows: RowData[], remarks: string[]}>} and what of it cannot be read
   */
  stackInFile(file) {
    const headers = { "Content-Type": "application/octet-stream" };
    return this.ask("stack_in_file", { method: "POST", headers, body: file });
  }

  /**
   * The blocks of a LoRA's family, and the LoRA's energy in each.
   *
   * @param {string} name
   * @returns {Promise<Profile>}
   */
  energy(name) {
    return this.ask(`energy?${new URLSearchParams({ name })}`);
  }

  /**
   * What block weights are for a LoRA, after some were drawn anew.
   *
   * @param {Drawing} drawing
   * @returns {Promise<Curve>}
   */
  blocks(drawing) {
    return this.post("blocks", drawing);
  }

  /** @param {string} text what A1111 writes about a picture */
  infotext(text) {
    return this.post("infotext", { text });
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  post(path, body) {
    const headers = { "Content-Type": "application/json" };
    return this.ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<any>}
   */
  async ask(path, options) {
    const answer = await this.fetchApi(`/lora_rack/${path}`, options);
    if (answer.status === 400) throw new ServerError((await answer.json()).error);
    if (!answer.ok) throw new Error(`/lora_rack/${path}: ${answer.status} ${answer.statusText}`);
    return answer.json();
  }
}
