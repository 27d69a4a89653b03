// The server's downloads, as far as the page knows them: those there were when a row first asked, and every word since.

/** @typedef {import("../rack/getting_line.mjs").Job} Job */

export class Jobs {
  /** @param {(path: string) => Promise<{jobs: Job[]}>} ask */
  constructor(ask) {
    this.ask = ask;
    /** @type {Map<string, Job>} the last job of each reference */
    this.known = new Map();
    this.isAsked = false;
    /** @type {(job: Job) => void} */
    this.changed = () => {};
  }

  /**
   * The last download of a reference. The first question asks the server for all of them.
   *
   * @param {string} reference
   */
  of(reference) {
    if (!this.isAsked) void this.#askAll();
    return this.known.get(reference);
  }

  /**
   * Take an answer about a job, which may come after the server's own words about it.
   *
   * @param {Job} job
   */
  began(job) {
    if (this.known.get(job.asked)?.id !== job.id) this.heard(job);
  }

  /** @param {Job} job */
  heard(job) {
    this.known.set(job.asked, job);
    this.changed(job);
  }

  async #askAll() {
    this.isAsked = true;
    try {
      const last = new Map((await this.ask("get/jobs")).jobs.map((job) => [job.asked, job])); // the oldest first
      for (const job of last.values()) if (!this.known.has(job.asked)) this.heard(job);
    } catch {
      this.isAsked = false; // the next row asks again
    }
  }
}
