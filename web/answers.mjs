// What the server answers, as types alone.

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
 * @property {string} [page] where a missing file comes from
 * @property {number} [line]
 * @property {number} [column]
 *
 * @typedef {{card: Card | null, problem: Problem | null}} FileOfRow
 *
 * @typedef {object} Profile the blocks of a LoRA's family, and its energy in each
 * @property {string} family
 * @property {string} title
 * @property {string[]} alternatives other families the file may be for
 * @property {import("./equaliser/curve.js").Block[]} blocks in the model's order
 * @property {string[]} elements
 * @property {{name: string, source: string, isOfElements: boolean}[]} presets that mean something in the family
 * @property {Record<string, number>} needsWeight layers whose energy only a model tells, by kind
 *
 * @typedef {import("./equaliser/curve.js").Weights} Weights
 *
 * @typedef {object} Curve what block weights are for one LoRA
 * @property {string} blocks
 * @property {string} elements
 * @property {Weights} weights of the part asked for
 * @property {Weights} whole
 * @property {string[]} own blocks where the part has a weight of its own
 * @property {string[]} setParts elements that have one anywhere
 *
 * @typedef {object} Drawing
 * @property {string} name
 * @property {string} blocks
 * @property {string} elements
 * @property {string} part
 * @property {Record<string, number | null>} weights
 *
 * @typedef {object} TagMeaning what one tag of a prompt is
 * @property {Omit<RowData, "text"> | null} row null where the tag cannot be read
 * @property {[number, number] | null} name where in the tag it is written
 * @property {[number, number][]} strengths where in the tag its strengths are written
 * @property {Card | null} card
 * @property {Problem | null} problem
 *
 * @typedef {import("./rack/rows.js").RowData} RowData
 * @typedef {{rows: RowData[], text: string}} Written
 * @typedef {{total: number, offset: number, cards: Card[]}} CardPage
 * @typedef {{place: string, nodes: string[], types: string[], made: string[], text: string, notes: string[]}} Done
 * @typedef {{place: string, node: string, type: string, reason: string}} Left
 * @typedef {{workflow: object, done: Done[], left: Left[]}} Conversion
 * @typedef {(path: string, options?: RequestInit) => Promise<Response>} Fetch
 */

export {};
