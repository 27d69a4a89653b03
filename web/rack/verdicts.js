// What became of LoRAs in a run, from the node that applied them to the racks and prompts that name them.

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("./editor.js").RackEditor} RackEditor
 * @typedef {import("./editor.js").Verdict} Verdict
 */

const STACK_TYPE = "LORA_STACK";

/**
 * After a run, tell the racks whose stacks a node has applied what became of their rows, and the prompts.
 *
 * @param {LGraphNode} node
 * @param {WeakMap<LGraphNode, RackEditor>} racks
 * @param {{judge: (verdicts: Verdict[]) => void}} prompts
 */
export function handOnVerdicts(node, racks, prompts) {
  const { onExecuted } = node;
  node.onExecuted = function (output) {
    onExecuted?.call(this, output);
    const verdicts = output?.lora_rack;
    if (!Array.isArray(verdicts)) return;
    prompts.judge(verdicts);
    void judgeAll(racksBefore(node, racks), verdicts);
  };
}

/** @param {RackEditor[]} editors @param {Verdict[]} verdicts */
async function judgeAll(editors, verdicts) {
  let left = verdicts;
  for (const editor of editors) {
    await editor.known(); // which rows a verdict is of shows by their files
    left = editor.judge(left);
  }
}

/**
 * The racks a node's stack comes from, along the wires of its graph.
 *
 * @param {LGraphNode} node
 * @param {WeakMap<LGraphNode, RackEditor>} racks
 * @param {Set<LGraphNode>} [seen]
 * @returns {RackEditor[]}
 */
function racksBefore(node, racks, seen = new Set()) {
  if (seen.has(node)) return [];
  seen.add(node);
  const here = racks.get(node);
  const before = (node.inputs ?? []).flatMap(({ type, link }, place) => {
    const origin = link != null && (type === STACK_TYPE || type === "*") ? node.getInputNode(place) : null;
    return origin ? racksBefore(origin, racks, seen) : [];
  });
  return here ? [...before, here] : before;
}
