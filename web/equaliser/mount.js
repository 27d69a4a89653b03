// An equaliser in a node: over its text of block weights, for the LoRA it names.

import { later, lateView } from "../later.js";
import { addView, lookAgain } from "../parts/node.js";
import { Equaliser } from "./equaliser.js";

/**
 * @typedef {import("../../../scripts/app.js").LGraphNode} LGraphNode
 * @typedef {import("../../../scripts/app.js").Widget} Widget
 * @typedef {import("../server.js").Server} Server
 *
 * @typedef {object} Host what only extension.js can do
 * @property {(editor: import("../parts/node.js").Keeper, text: Widget) => void} keepTextIn
 * @property {(widget: Widget) => void} hide
 * @property {(node: LGraphNode, name: string) => Widget[]} holders of a value, as parts/face.js finds them
 * @property {(node: LGraphNode, text: Widget, value: string) => void} textChanged
 * @property {(node: LGraphNode, widget: Widget, value: number) => void} setValue
 * @property {(node: LGraphNode, ours: HTMLElement) => void} takePlace
 * @property {() => void} rememberForUndo
 */

const WIDGET = "lora_rack_equaliser";
const MIN_WIDTH_PX = 400;
const MIN_HEIGHT_PX = 240;

/**
 * @param {LGraphNode} node
 * @param {Server} server
 * @param {Host} host
 */
export function mountEqualiser(node, server, host) {
  const text = node.widgets?.find((widget) => widget.name === "blocks");
  const lora = node.widgets?.find((widget) => widget.name === "lora_name");
  if (!text || !lora) return; // the host could not make its own widgets, and has said why
  const equaliser = new Equaliser(server, {
    textsChanged: () => host.textChanged(node, text, equaliser.text),
    gestureEnded: host.rememberForUndo,
  });
  host.keepTextIn(equaliser, text);
  host.hide(text);
  const shown = lateView("lora-rack-eq", later.equaliser, (root, { EqualiserView }) => {
    const view = new EqualiserView(equaliser, root);
    view.onDrawn = () => requestAnimationFrame(() => host.takePlace(node, root));
  });
  addView(node, WIDGET, shown, () => MIN_HEIGHT_PX);
  shown.style.setProperty("--rack-wanted", `${MIN_HEIGHT_PX}px`);
  follow(node, host, equaliser, lora);
  node.setSize([Math.max(node.size[0], MIN_WIDTH_PX), node.computeSize()[1]]);
}

/**
 * Look again whenever the LoRA, or what is wired to the text, may be another.
 *
 * @param {LGraphNode} node
 * @param {Host} host
 * @param {Equaliser} equaliser
 * @param {Widget} lora
 */
function follow(node, host, equaliser, lora) {
  const look = () => {
    const [held] = host.holders(node, "blocks");
    equaliser.isWired = !held;
    if (held) equaliser.setText(String(held.value ?? ""));
    equaliser.setLora(String((host.holders(node, lora.name)[0] ?? lora).value ?? ""));
    equaliser.draw();
  };
  lookAgain(node, look);
  const { callback } = lora;
  lora.callback = function (...details) {
    callback?.apply(this, details);
    look();
  };
  look();
}
