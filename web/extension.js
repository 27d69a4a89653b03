// The one module that knows the host: it puts a rack into the node and passes its value back and forth.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { mountEqualiser } from "./equaliser/mount.js";
import { fromText } from "./infotext/from_text.js";
import { TEXTS as INFOTEXT } from "./infotext/texts.js";
import { speak } from "./language.js";
import { later, wear } from "./later.js";
import { TEXTS as MOVING } from "./moving_in/texts.js";
import { mountNamer } from "./namer/mount.js";
import { labelNode, translateDefinition } from "./node_texts.js";
import { holdersOf } from "./parts/face.js";
import { addView, lookAgain, lookInto } from "./parts/node.js";
import { Prompts } from "./prompt/mount.js";
import { RackEditor } from "./rack/editor.js";
import { RackView } from "./rack/rack_view.js";
import { handOnVerdicts } from "./rack/verdicts.js";
import { mountScrubber } from "./scrubber/mount.js";
import { Server } from "./server.js";
import { TEXTS } from "./texts.js";

/** @typedef {import("../../scripts/app.js").LGraphNode} LGraphNode @typedef {import("../../scripts/app.js").Widget} Widget */
/** @typedef {import("./parts/node.js").Keeper} Keeper */

const STACK_NODE = "LoraRackStack";
const BLOCKS_NODE = "LoraRackBlocks";
const SWEEP_NODES = ["LoraRackSliderPreview", "LoraRackSweepSheet"];
const APPLYING = ["LoraRackApply", "LoraRackEncode"];
const TEXT_WIDGET = "text";
const RACK_WIDGET = "lora_rack";
const MIN_WIDTH_PX = 420;
const OURS = "LoraRack";
const TURNABLE = ["LoraRackApply", "LoraRackLoad", "LoraRackStack", "LoraRackAdd"]; // into the host's loaders

/** @type {WeakMap<LGraphNode, RackEditor>} */
const racks = new WeakMap();
/** @type {WeakMap<Widget, Keeper>} */
const keepers = new WeakMap();
const server = new Server((path, options) => api.fetchApi(path, options), (path) => api.apiURL(path));

const host = { keepTextIn, hide, holders, textChanged, setValue, takePlace, rememberForUndo };

const recipes = fromText(server, { load: loadAsOneStep, say, isEmpty: () => !everyNode().length });

/** @type {import("./moving_in/moving_in.mjs").MovingIn | null} */
let movingIn = null;

const prompts = new Prompts({ server, rememberForUndo, nodeShown: (id) => app.canvas.graph?.getNodeById(id) ?? null });

api.addEventListener("lora_rack_get", ({ detail }) => server.jobs.heard(detail));
server.jobs.changed = (/** @type {import("./getting/jobs.js").Job} */ job) => {
  for (const editor of everyNode().flatMap((node) => racks.get(node) ?? [])) {
    if (job.state === "done") void editor.refresh();
    else editor.draw();
  }
};

api.addEventListener("reconnected", () => {
  for (const keeper of allKeepers()) keeper.retry();
});

app.registerExtension({
  name: "LoraRack",
  commands: [
    { id: "LoraRack.TurnIntoRack", label: () => MOVING.toRack, function: () => turnInto("rack") },
    { id: "LoraRack.TurnIntoLoaders", label: () => MOVING.toLoaders, function: () => turnInto("loaders") },
    { id: "LoraRack.NewFromText", label: () => INFOTEXT.command, function: () => recipes.make() },
  ],
  menuCommands: [
    { path: ["Edit"], commands: ["LoraRack.TurnIntoRack", "LoraRack.TurnIntoLoaders", "LoraRack.NewFromText"] },
  ],
  getCanvasMenuItems: () => [
    null,
    { content: MOVING.toRack, callback: () => void turnInto("rack") },
    { content: MOVING.toLoaders, callback: () => void turnInto("loaders") },
  ],
  getNodeMenuItems: movingItems,
  async init() {
    document.addEventListener("paste", recipes.paste, true);
    void wear("./style.css");
    app.canvas.canvas.addEventListener("litegraph:set-graph", () => lookInto(app.canvas.graph?.nodes ?? []));
    const texts = await api.fetchApi("/i18n");
    if (texts.ok) speak(await texts.json(), () => String(app.extensionManager?.setting.get("Comfy.Locale") ?? "en"));
  },
  beforeRegisterNodeDef(_type, definition) {
    if (definition.name.startsWith(OURS)) translateDefinition(definition);
    prompts.takeNames(definition);
  },
  nodeCreated(node) {
    if (node.comfyClass?.startsWith(OURS)) labelNode(node);
    if (node.comfyClass?.startsWith(OURS)) mountNamer(node, server, host);
    if (node.comfyClass === STACK_NODE) mountRack(node);
    if (node.comfyClass === BLOCKS_NODE) mountEqualiser(node, server, host);
    if (SWEEP_NODES.includes(node.comfyClass ?? "")) mountScrubber(node, (path) => api.apiURL(path), host);
    prompts.add(node);
    if (APPLYING.includes(node.comfyClass ?? "")) handOnVerdicts(node, racks, prompts);
  },
});

/** @param {LGraphNode} node */
function mountRack(node) {
  const text = node.widgets?.find((widget) => widget.name === TEXT_WIDGET);
  if (!text) return; // the host could not make its own widget, and has said why
  const editor = new RackEditor(server, {
    textChanged: () => textChanged(node, text, editor.text),
    gestureEnded: rememberForUndo,
  }, String(text.value));
  racks.set(node, editor);
  const view = new RackView(editor);
  keepTextIn(editor, text);
  hide(text);
  addView(node, RACK_WIDGET, view.element, () => view.wantedHeight);
  followHeight(node, view);
  followWires(node, editor, view);
  node.refreshComboInNode = () => void editor.refresh(); // the host calls it when the lists of files are new
  node.setSize([Math.max(node.size[0], MIN_WIDTH_PX), node.computeSize()[1]]);
}

/**
 * Make the editor the keeper of the widget's value. The host reads and writes it through these two functions,
 * whoever asks: a workflow, an undo, a subgraph's promoted widget, another extension.
 *
 * @param {Keeper} editor
 * @param {Widget} text
 */
function keepTextIn(editor, text) {
  keepers.set(text, editor);
  const { setValue } = text.options;
  editor.setText(String(text.value));
  text.options.getValue = () => editor.text;
  text.options.setValue = (value) => {
    setValue?.(value); // the host's own text box goes on showing the same
    editor.setText(String(value ?? ""));
  };
  text.serializeValue = async () => {
    await editor.settled();
    return editor.text;
  };
}

/** @param {Widget} widget */
function hide(widget) {
  widget.hidden = true; // the classic rendering
  widget.options.hidden = true; // the new one
  widget.computeLayoutSize = () => ({ minHeight: 0, maxHeight: 0, minWidth: 0 }); // the classic one keeps room
}

/** @type {import("./equaliser/mount.js").Host["holders"]} */
function holders(node, name) {
  return holdersOf(node, name, everyNode);
}

/** @param {LGraphNode} node @param {Widget} text @param {string} value */
function textChanged(node, text, value) {
  if (text.element instanceof HTMLTextAreaElement) text.element.value = value;
  text.callback?.(value);
  for (const held of holders(node, text.name)) if (held.value !== value) held.value = value;
  node.graph?.setDirtyCanvas(true, true);
}

/** @param {LGraphNode} node @param {Widget} widget @param {number | string} value */
function setValue(node, widget, value) {
  for (const held of new Set([widget, ...holders(node, widget.name)])) {
    held.value = value;
    held.callback?.(value);
  }
  node.graph?.setDirtyCanvas(true, true);
}

/**
 * What the menu of a node offers: to turn it, or all that are selected with it, into something else.
 *
 * @param {LGraphNode} node
 */
function movingItems(node) {
  const type = node.comfyClass ?? "";
  const target = type.startsWith(OURS) ? "loaders" : "rack";
  if (target === "rack" ? !/lora/i.test(type) : !TURNABLE.includes(type)) return [];
  const nodes = selected().includes(String(node.id)) ? selected() : [String(node.id)];
  const content = target === "rack" ? MOVING.toRack : MOVING.toLoaders;
  return [{ content, callback: () => void turnInto(target, nodes) }];
}

/**
 * Turn nodes into racks or into the host's loaders.
 *
 * @param {import("./moving_in/moving_in.mjs").Target} target
 * @param {string[]} [nodes] in place of those selected
 */
async function turnInto(target, nodes) {
  try {
    const { MovingIn } = await later.movingIn();
    movingIn ??= new MovingIn(server, { look: openGraph, load: loadAsOneStep, say });
  } catch {
    return say("error", MOVING.failed, TEXTS.notLoaded);
  }
  return movingIn.turnInto(target, nodes);
}

/** @type {import("./moving_in/moving_in.mjs").Hooks["say"]} */
function say(severity, summary, detail) {
  app.extensionManager?.toast.add({ severity, summary, detail, life: 6000 });
}

/** The nodes of the workflow, those in subgraphs included. */
function everyNode() {
  const root = app.rootGraph ?? app.graph;
  return [root, ...(root.subgraphs?.values() ?? [])].flatMap((graph) => graph.nodes);
}

/** Who keeps a text in the workflow. */
function allKeepers() {
  const widgets = everyNode().flatMap((node) => node.widgets ?? []);
  return widgets.flatMap((widget) => keepers.get(widget) ?? []);
}

/** The ids of the nodes that are selected in the part of the workflow that is open. */
const selected = () => Object.keys(app.canvas.selected_nodes ?? {});

/** The graph as it would be saved, all edits in it, and which part of which workflow is open. */
async function openGraph() {
  await Promise.all(allKeepers().map((keeper) => keeper.settled()));
  const root = app.rootGraph ?? app.graph;
  const open = app.canvas.graph;
  return {
    workflow: root.serialize(),
    nodes: selected(),
    subgraph: open && open !== root ? String(open.id) : "",
    tab: app.extensionManager?.workflow?.activeWorkflow,
  };
}

/**
 * Put another graph in the place of the open one as the host's own undo does it, so that undo takes it back.
 *
 * @param {object} workflow
 */
async function loadAsOneStep(workflow) {
  const open = app.extensionManager?.workflow?.activeWorkflow ?? null;
  const tracker = open?.changeTracker;
  rememberForUndo();
  const before = tracker?.activeState;
  if (tracker) tracker._restoringState = true; // else loading would make the new graph the one to go back to
  try {
    const quiet = { showMissingModelsDialog: false, showMissingNodesDialog: false };
    await app.loadGraphData(workflow, false, false, open, quiet);
  } finally {
    if (tracker) tracker._restoringState = false;
  }
  rememberForUndo();
  // Newer pages hold the loaded graph for the present one at once and see no step; their undo adds its own as here.
  if (!tracker || !before || tracker.undoQueue.at(-1) === before) return;
  tracker.undoQueue.push(before);
  tracker.redoQueue.length = 0;
}

function rememberForUndo() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
}

/**
 * Let the node follow the number of rows until a person gives it another height.
 *
 * @param {LGraphNode} node
 * @param {RackView} view
 */
function followHeight(node, view) {
  let fitted = 0;
  const fit = () => {
    takePlace(node, view.element);
    view.laidOut();
    view.element.style.setProperty("--rack-wanted", `${view.wantedHeight}px`);
    const least = node.computeSize()[1];
    const isOurs = fitted === 0 || Math.abs(node.size[1] - fitted) < 2;
    const height = isOurs ? least : Math.max(node.size[1], least);
    if (isOurs) fitted = height;
    if (height !== node.size[1]) node.setSize([node.size[0], height]);
    node.graph?.setDirtyCanvas(true, true);
  };
  // What a row unfolds shows its height only once the page has laid it out.
  view.onDrawn = () => requestAnimationFrame(fit);
  view.onDrawn();
}

/**
 * After an undo the new rendering goes on showing the element of the node that is gone, since the new node has the same
 * id: put ours in its place, or edits would go nowhere.
 *
 * @param {LGraphNode} node
 * @param {HTMLElement} ours
 */
function takePlace(node, ours) {
  if (ours.isConnected || !node.graph || node.graph !== app.canvas?.graph) return;
  const kind = CSS.escape(ours.classList[0]);
  const shown = document.querySelector(`[data-node-id="${CSS.escape(String(node.id))}"] .${kind}`);
  shown?.replaceWith(ours);
}

/** @param {LGraphNode} node @param {RackEditor} editor @param {RackView} view */
function followWires(node, editor, view) {
  lookAgain(node, () => {
    const [held] = holders(node, TEXT_WIDGET);
    editor.isWired = !held;
    if (held) editor.setText(String(held.value ?? "")); // edited in here, it changes there
    view.draw();
  });
}
