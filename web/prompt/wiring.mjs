// A LoRA Rack before a node, wired into its stack: put there and taken away again.

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {{text: () => Promise<string>, add: (text: string) => void, remove: () => void}} Rack
 */

const RACK = "LoraRackStack";
const STACK = "stack";
const TEXT = "text";
const GAP_PX = 40;

/**
 * The rack before a node, if its stack goes nowhere else.
 *
 * @param {LGraphNode} node
 * @returns {Rack | null}
 */
export function rackBefore(node) {
  const slot = slotOf(node);
  const rack = slot < 0 ? null : node.getInputNode(slot);
  const text = rack?.widgets?.find((widget) => widget.name === TEXT);
  if (rack?.comfyClass !== RACK || !text || (rack.outputs?.[0]?.links?.length ?? 0) > 1) return null;
  return {
    text: async () => {
      await text.serializeValue?.(); // its rows may still be on their way into it
      return String(text.value);
    },
    add: (more) => {
      text.value = [String(text.value), more].filter((part) => part.trim()).join("\n");
    },
    remove: () => {
      const from = sourceOf(rack);
      rack.graph?.remove(rack);
      if (from) from.node.connect(from.slot, node, slot);
    },
  };
}

/**
 * Put rows before a node: into the rack that is there, or into a new one between the node and what is wired to it.
 *
 * @param {LGraphNode} node
 * @param {string} text of the rows
 * @returns {boolean} whether there is a place for them
 */
export function addRack(node, text) {
  const here = rackBefore(node);
  if (here) {
    here.add(text);
    return true;
  }
  const slot = slotOf(node);
  const from = sourceOf(node);
  const isWired = node.inputs?.[slot]?.link != null;
  // @ts-expect-error the host's, and global in every page of it
  const rack = /** @type {LGraphNode | null} */ (globalThis.LiteGraph?.createNode(RACK));
  if (slot < 0 || !rack || !node.graph || (isWired && !from)) return false; // wired to the edge of a subgraph
  rack.pos = [node.pos[0] - rack.size[0] - GAP_PX, node.pos[1]];
  node.graph.add(rack);
  const widget = rack.widgets?.find(({ name }) => name === TEXT);
  if (widget) widget.value = text;
  if (from) from.node.connect(from.slot, rack, slotOf(rack));
  rack.connect(0, node, slot);
  return true;
}

/** @param {LGraphNode} node */
const slotOf = (node) => node.inputs?.findIndex(({ name }) => name === STACK) ?? -1;

/** @param {LGraphNode} node @returns {{node: LGraphNode, slot: number} | null} what is wired to its stack */
function sourceOf(node) {
  const slot = slotOf(node);
  const source = slot < 0 ? null : node.getInputNode(slot);
  const wire = source && node.getInputLink(slot);
  return source && wire ? { node: source, slot: wire.origin_slot } : null;
}
