// Who holds the value of an input: the node's own widget, those on the faces of the subgraphs around it, or a wire.

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 */

const SUBGRAPH_INPUTS = -10; // the id under which a subgraph's own inputs give; newer pages write it as a text

/**
 * The widgets with which a person sets a value: the node's own, or, where the value is led to the face of a subgraph, that
 * of the outermost node, one of every copy of the subgraph.
 *
 * @param {LGraphNode} node
 * @param {string} name of the input
 * @param {() => LGraphNode[]} everyNode of the workflow, subgraphs included
 * @returns {Widget[]} all of one value; none where it comes over a wire, or where the copies differ
 */
export function holdersOf(node, name, everyNode) {
  const own = widgetOf(node, name);
  const place = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  const ends = place < 0 ? [{ node, name }] : endsOf(node, place, everyNode);
  // Some pages show no widget on the face; the inner one then counts.
  const found = ends.flatMap((end) => widgetOf(end.node, end.name) ?? own ?? []);
  return new Set(found.map((widget) => widget.value)).size > 1 ? [] : [...new Set(found)];
}

/** @param {LGraphNode} node @param {string} name */
function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

/**
 * Where the way of an input outward ends without a wire.
 *
 * @param {LGraphNode} node
 * @param {number} place of the input
 * @param {() => LGraphNode[]} everyNode
 * @returns {{node: LGraphNode, name: string}[]}
 */
function endsOf(node, place, everyNode) {
  const slot = node.inputs?.[place];
  if (!slot) return [];
  if (slot.link === null || slot.link === undefined) return [{ node, name: slot.name }];
  const { graph } = node;
  const wire = graph?.getLink?.(slot.link) ?? graph?.links?.get?.(slot.link);
  if (!wire || Number(wire.origin_id) !== SUBGRAPH_INPUTS) return [];
  const outers = everyNode().filter((other) => other.subgraph && other.subgraph === graph);
  return outers.flatMap((outer) => endsOf(outer, wire.origin_slot, everyNode));
}
