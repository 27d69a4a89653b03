// What the page says about turning other nodes into racks and back.

import { fill, localised } from "../language.js";

export const TEXTS = localised("movingIn", {
  toRack: "Turn into a LoRA Rack",
  toLoaders: "Turn into host loaders",
  rackTitle: "Turned into a LoRA Rack",
  loadersTitle: "Turned into host loaders",
  nothingTitle: "Nothing was changed",
  noLoaders: "There is no LoRA loader, stacker or prompt with LoRA tags here.",
  noRacks: "There is no Apply LoRA Stack and no Load LoRA here.",
  elsewhere: "Another workflow or subgraph was opened meanwhile.",
  failed: "The workflow could not be converted",
  one: "1 node replaced. You can undo this.",
  many: "{count} nodes replaced. You can undo this.",
  replaced: "Replaced",
  notes: "What differs",
  left: "Left as it was",
  node: "Node {node}, {type}",
  nodeIn: "{place}: node {node}, {type}",
  close: "Close",
});

/** @param {number} count */
export const countText = (count) => (count === 1 ? TEXTS.one : fill(TEXTS.many, { count }));

/** @param {{place: string, node: string, type: string}} where */
export const nodeText = (where) => fill(where.place ? TEXTS.nodeIn : TEXTS.node, where);
