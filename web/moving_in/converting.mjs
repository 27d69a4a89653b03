// The question about a workflow with other nodes in the place of some; see nodes/page/convert_routes.py.

/**
 * @typedef {import("../answers.mjs").Done} Done
 * @typedef {import("../answers.mjs").Left} Left
 * @typedef {import("../answers.mjs").Conversion} Conversion
 */

/**
 * @param {import("../server.js").Server} server
 * @param {"rack" | "loaders"} to
 * @param {{workflow: object, nodes: string[], subgraph: string}} place without nodes, all of the workflow
 * @returns {Promise<Conversion>}
 */
export const askConverted = (server, to, { workflow, nodes, subgraph }) =>
  server.post("convert", { to, workflow, subgraph, nodes: nodes.length ? nodes : null });
