// The face of a subgraph: the widgets that its outer node has in the place of widgets of the nodes inside.

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 */

const SUBGRAPH_INPUTS = -10; // the id under which a subgraph's own inputs give

/**
 * Where a value comes from that is wired to the subgraph's own input, if a person can set it: the subgraph stands in the
 * workflow once, and nothing is wired to it from outside. Some pages show no widget there; the inner value then counts.
 *
 * @param {LGraphNode} node
 * @param {string} name of the input
 * @param {LGraphNode[]} everyNode of the workflow, subgraphs included
 * @returns {{widget: Widget | null} | null}
 */
export function faceOf(node, name, everyNode) {
  /** @type {any} */
  const graph = node.graph;
  const link = node.inputs?.find((input) => input.name === name)?.link;
  const wire = link == null ? null : graph?.getLink?.(link) ?? graph?.links?.get?.(link);
  if (wire?.origin_id !== SUBGRAPH_INPUTS) return null;
  const outers = everyNode.filter((/** @type {any} */ other) => other.subgraph && other.subgraph === graph);
  const slot = outers[0]?.inputs?.[wire.origin_slot];
  if (outers.length !== 1 || !slot || slot.link != null) return null;
  return { widget: outers[0].widgets?.find((widget) => widget.name === slot.name) ?? null };
}
