// Names and tooltips of our nodes in the page's language. The host would do the same by itself, but some of its
// versions forget what packs say in a language once they load their own texts for it.

import { messages } from "./language.js";

/**
 * @typedef {[unknown, {tooltip?: string}?]} InputSpec
 * @typedef {object} NodeDefinition
 * @property {string} name
 * @property {string} display_name
 * @property {string} description
 * @property {string} category
 * @property {{required?: Record<string, InputSpec>, optional?: Record<string, InputSpec>}} input
 * @property {string[]} [output_tooltips]
 *
 * @typedef {{name: string, localized_name?: string}} Socket
 * @typedef {object} LabelledNode
 * @property {string} [comfyClass]
 * @property {{name: string, label?: string}[]} [widgets]
 * @property {Socket[]} [inputs]
 * @property {Socket[]} [outputs]
 */

/** @param {NodeDefinition} definition */
export function translateDefinition(definition) {
  const texts = messages().nodeDefs?.[definition.name];
  if (!texts) return;
  const categories = messages().nodeCategories ?? {};
  definition.display_name = texts.display_name ?? definition.display_name;
  definition.description = texts.description ?? definition.description;
  definition.category = definition.category.split("/").map((part) => categories[part] ?? part).join("/");
  const { required = {}, optional = {} } = definition.input;
  for (const [name, [, options]] of [...Object.entries(required), ...Object.entries(optional)]) {
    const tooltip = texts.inputs?.[name]?.tooltip;
    if (options && tooltip) options.tooltip = tooltip;
  }
  definition.output_tooltips = definition.output_tooltips?.map(
    (tooltip, place) => texts.outputs?.[place]?.tooltip ?? tooltip,
  );
}

/**
 * Name the inputs and outputs of a new node, where the host has not.
 *
 * @param {LabelledNode} node
 */
export function labelNode(node) {
  const texts = messages().nodeDefs?.[node.comfyClass ?? ""];
  if (!texts) return;
  for (const widget of node.widgets ?? []) {
    const name = texts.inputs?.[widget.name]?.name;
    if (name && (widget.label ?? widget.name) === widget.name) widget.label = name;
  }
  for (const input of node.inputs ?? []) nameSocket(input, texts.inputs?.[input.name]?.name);
  for (const [place, output] of (node.outputs ?? []).entries()) {
    nameSocket(output, texts.outputs?.[place]?.name);
  }
}

/** @param {Socket} socket @param {string | undefined} name */
function nameSocket(socket, name) {
  if (name && (socket.localized_name ?? socket.name) === socket.name) socket.localized_name = name;
}
