// Whether something is wired to a node's input.

/** @param {import("../../../scripts/app.js").LGraphNode} node @param {string} name of the input */
export function isWired(node, name) {
  return node.inputs?.find((input) => input.name === name)?.link != null;
}
