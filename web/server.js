// The questions the page asks the server (nodes/routes.py). It reads and writes no stack text by itself.

/**
 * @typedef {object} Card what is known of one LoRA file
 * @property {string} name
 * @property {string} title
 * @property {string} family
 * @property {string[]} words
 * @property {string} source
 * @property {number | null} strength what its author or user prefers
 * @property {number | null} strength_clip
 * @property {string} preview
 * @property {string} problem
 *
 * @typedef {object} Problem
 * @property {string} type
 * @property {string} message
 * @property {string[]} [candidates]
 * @property {number} [line]
 * @property {number} [column]
 *
 * @typedef {{card: Card | null, problem: Problem | null}} FileOfRow
 * @typedef {import("./rack/rows.js").RowData} RowData
 * @typedef {{rows: RowData[], text: string}} Written
 * @typedef {{total: number, offset: number, cards: Card[]}} CardPage
 * @typedef {{place: string, nodes: string[], types: string[], made: string[], text: string, notes: string[]}} Done
 * @typedef {{place: string, node: string, type: string, reason: string}} Left
 * @typedef {{workflow: object, done: Done[], left: Left[]}} Conversion
 * @typedef {(path: string, options?: RequestInit) => Promise<Response>} Fetch
 */

/** An answer that says why not: `problem.type` is the class of the error in Python. */
export class ServerError extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.message);
    this.problem = problem;
  }
}

export class Server {
  /**
   * @param {Fetch} fetchApi
   * @param {(path: string) => string} apiUrl
   */
  constructor(fetchApi, apiUrl) {
    this.fetchApi = fetchApi;
    this.apiUrl = apiUrl;
  }

  /**
   * @param {string} query
   * @param {number} offset
   * @param {number} limit
   * @returns {Promise<CardPage>}
   */
  loras(query, offset, limit) {
    return this.#ask(`loras?${new URLSearchParams({ query, offset: `${offset}`, limit: `${limit}` })}`);
  }

  /**
   * @param {string} name
   * @returns {Promise<Card & {size: number, modified_s: number, metadata: Record<string, string>}>}
   */
  info(name) {
    return this.#ask(`info?${new URLSearchParams({ name })}`);
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
    return (await this.#post("parse", { text, anywhere })).rows;
  }

  /**
   * Which file each row means, or why there is none.
   *
   * @param {RowData[]} rows
   * @returns {Promise<FileOfRow[]>}
   */
  async files(rows) {
    return (await this.#post("files", { rows })).files;
  }

  /**
   * The rows again, each with its canonical line.
   *
   * @param {RowData[]} rows
   * @returns {Promise<Written>}
   */
  write(rows) {
    return this.#post("write", { rows });
  }

  /**
   * The rows of the LoRAs a picture or a workflow was made with.
   *
   * @param {Blob} file
   * @returns {Promise<RowData[]>}
   */
  async stackInFile(file) {
    const headers = { "Content-Type": "application/octet-stream" };
    return (await this.#ask("stack_in_file", { method: "POST", headers, body: file })).rows;
  }

  /**
   * A workflow with other nodes in the place of some; see nodes/routes_convert.py.
   *
   * @param {"rack" | "loaders"} to
   * @param {{workflow: object, nodes: string[], subgraph: string}} place without nodes, all of the workflow
   * @returns {Promise<Conversion>}
   */
  convert(to, { workflow, nodes, subgraph }) {
    return this.#post("convert", { to, workflow, subgraph, nodes: nodes.length ? nodes : null });
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  #post(path, body) {
    const headers = { "Content-Type": "application/json" };
    return this.#ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<any>}
   */
  async #ask(path, options) {
    const answer = await this.fetchApi(`/lora_rack/${path}`, options);
    if (answer.status === 400) throw new ServerError((await answer.json()).error);
    if (!answer.ok) throw new Error(`/lora_rack/${path}: ${answer.status} ${answer.statusText}`);
    return answer.json();
  }
}
