// The place under a node's list of LoRAs for the card of the one it names.

import { later, lateView } from "../later.js";
import { addView } from "../parts/node.js";

const HEIGHT_PX = 34;

/**
 * @param {import("../../../scripts/app.js").LGraphNode} node
 * @param {import("../server.js").Server} server
 * @param {import("./namer.mjs").Host} host
 */
export function mountNamer(node, server, host) {
  const combo = node.widgets?.find((widget) => widget.name === "lora_name");
  if (!combo) return; // the node names none, or the host could not make its own list, and has said why
  const root = lateView("lora-rack-namer", later.namer, (place, { fillNamer }) => fillNamer(place, node, combo, server, host));
  root.classList.remove("widget-expands"); // what there is to grow is the equaliser's
  addView(node, "lora_rack", root, () => HEIGHT_PX, () => HEIGHT_PX);
}
