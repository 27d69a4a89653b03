// A scrubber in a node: it takes what the node sends when it has run, and keeps it in the workflow.

import { later, lateView } from "../later.js";
import { addView, lookAgain } from "../parts/node.js";
import { readResult } from "./result.js";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../equaliser/mount.js").Host} Host
 */

const WIDGET = "lora_rack_scrubber";
const KEPT = "lora_rack_frames"; // both the key of the node's output and of its properties
const AXES = "lora_rack_axes";
const SHEET = "lora_rack_sheet";
const MIN_WIDTH_PX = 380;
const MIN_HEIGHT_PX = 420;

/**
 * @param {LGraphNode} node
 * @param {(path: string) => string} apiUrl
 * @param {Host} host
 */
export function mountScrubber(node, apiUrl, host) {
  const pick = node.widgets?.find((widget) => widget.name === "pick");
  /** @type {import("./scrubber_view.mjs").ScrubberView | null} */
  let view = null;
  const hooks = {
    urlOf: (/** @type {import("./result.js").FileReference} */ { filename, subfolder, type }) =>
      apiUrl(`/view?${new URLSearchParams({ filename, subfolder, type })}`),
    pick: () => {
      const [held] = host.holders(node, "pick");
      return held ? Number(held.value) : null;
    },
    used: (/** @type {number} */ strength) => {
      if (!pick) return;
      host.setValue(node, pick, strength);
      host.rememberForUndo();
    },
  };
  const shown = lateView("lora-rack-scrub", later.scrubber, (root, { ScrubberView }) => {
    view = new ScrubberView(hooks, root);
    view.onDrawn = () => requestAnimationFrame(() => host.takePlace(node, root));
    view.show(readResult(node.properties[KEPT]));
  });
  addView(node, WIDGET, shown, () => MIN_HEIGHT_PX);
  shown.style.setProperty("--rack-wanted", `${MIN_HEIGHT_PX}px`);
  const { onExecuted, onConfigure } = node;
  node.onExecuted = function (output, ...more) {
    onExecuted?.call(this, output, ...more);
    // What the host had in its cache comes as nothing: what is shown is still true then.
    const result = readResult({ frames: output?.[KEPT], axes: output?.[AXES], sheet: output?.[SHEET]?.[0] });
    if (!result) return;
    node.properties[KEPT] = result;
    view?.show(result);
  };
  node.onConfigure = function (...details) {
    onConfigure?.apply(this, details);
    view?.show(readResult(node.properties[KEPT]));
  };
  if (pick) {
    const { callback } = pick;
    pick.callback = function (...details) {
      callback?.apply(this, details);
      view?.draw();
    };
  }
  lookAgain(node, () => view?.draw());
  node.setSize([Math.max(node.size[0], MIN_WIDTH_PX), node.computeSize()[1]]);
}
