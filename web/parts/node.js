// A view of ours in a node: how it gets there, and when it has to look at the node again.

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 *
 * @typedef {object} Keeper of the value of a text widget
 * @property {string} text
 * @property {(text: string) => void} setText from outside
 * @property {() => Promise<void>} settled resolves when the text holds every edit
 * @property {() => void} retry what the server did not answer to
 */

/**
 * Put an element into a node, last, as a widget that neither the prompt nor the workflow holds.
 *
 * @param {LGraphNode} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {() => number} minHeight in px
 * @param {() => number} [maxHeight] in px; where it is left out, the view grows with its node
 */
export function addView(node, name, element, minHeight, maxHeight) {
  const widget = node.addDOMWidget(name, name, element, {
    serialize: false, // not in the prompt
    hideOnZoom: false,
    margin: 6,
    getMinHeight: minHeight,
    ...(maxHeight && { getMaxHeight: maxHeight }),
  });
  widget.serialize = false; // not in the workflow
  // A view is as wide as its node. The page's properties panel sets the width of a selected node's widgets to its own.
  Object.defineProperty(widget, "width", { get: () => undefined, set: () => {} });
}

/** @type {WeakMap<LGraphNode, () => void>} */
const looks = new WeakMap();

/**
 * Look again whenever the node's wires, what a workflow stored in it, or the values on the face around it may be others.
 *
 * @param {LGraphNode} node
 * @param {() => void} look
 */
export function lookAgain(node, look) {
  looks.set(node, look);
  const { onConnectionsChange, onConfigure } = node;
  node.onConnectionsChange = function (...details) {
    onConnectionsChange?.apply(this, details);
    look();
  };
  node.onConfigure = function (...details) {
    onConfigure?.apply(this, details);
    look();
  };
}

/** The graph of these nodes was opened. @param {LGraphNode[]} nodes */
export function lookInto(nodes) {
  for (const node of nodes) looks.get(node)?.();
}
