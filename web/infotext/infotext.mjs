// A graph out of the text of another program: the server reads the text and says what of it is not here.

import { TEXTS as MOVING } from "../moving_in/texts.js";
import { button, element } from "../parts/dom.js";
import { problemOf } from "../server.js";
import { TEXTS } from "./texts.js";

/**
 * @typedef {object} Hooks
 * @property {(workflow: object) => Promise<void>} load puts a graph in the place of the open one, as one step to undo
 * @property {import("../moving_in/moving_in.mjs").Hooks["say"]} say
 * @property {() => boolean} isEmpty whether the graph is
 *
 * @typedef {{workflow: object, missing: {text: string}[], remarks: string[]}} Recipe
 */

/**
 * @param {import("../server.js").Server} server
 * @param {Hooks} hooks
 * @param {string} [text] what to make a graph of; without it, a person is asked
 */
export async function make(server, hooks, text) {
  if (text === undefined) await askForText((given) => graphOf(server, hooks, given));
  else await graphOf(server, hooks, text);
}

/**
 * Make the graph of a text, and say what of the text is not in it.
 *
 * @param {import("../server.js").Server} server
 * @param {Hooks} hooks
 * @param {string} text
 * @returns {Promise<boolean>} whether the text could be read
 */
async function graphOf(server, hooks, text) {
  /** @type {Recipe} */
  let recipe;
  try {
    recipe = await server.infotext(text);
  } catch (error) {
    hooks.say("error", TEXTS.failed, problemOf(error).message);
    return false;
  }
  await hooks.load(recipe.workflow);
  if (recipe.missing.length || recipe.remarks.length) report(recipe);
  else hooks.say("success", TEXTS.made, "");
  return true;
}

/**
 * Ask for a text, with what is in the clipboard where the browser gives it.
 *
 * @param {(text: string) => Promise<boolean>} make
 */
async function askForText(make) {
  const box = element("textarea", { rows: "12", "aria-label": TEXTS.hint, spellcheck: "false" });
  const done = async () => (await make(box.value)) && dialog.close();
  const dialog = shown(
    TEXTS.command,
    element("p", {}, TEXTS.hint),
    box,
    button(TEXTS.make, () => void done(), { text: TEXTS.make }),
    button(MOVING.close, () => dialog.close(), { text: MOVING.close }),
  );
  box.focus();
  const copied = await navigator.clipboard?.readText?.().catch(() => "");
  if (copied && /^\s*(?:\{|Steps:\s*\d)/m.test(copied) && !box.value) box.value = copied;
}

/** @param {Recipe} recipe */
function report(recipe) {
  const dialog = shown(
    TEXTS.made,
    ...section(TEXTS.missing, recipe.missing.map((one) => one.text)),
    ...section(MOVING.notes, recipe.remarks),
    button(MOVING.close, () => dialog.close(), { text: MOVING.close }),
  );
}

/** @param {string} title @param {string[]} lines */
const section = (title, lines) =>
  lines.length
    ? [element("h3", {}, title), element("ul", {}, ...lines.map((line) => element("li", {}, line)))]
    : [];

/** @param {string} title @param {HTMLElement[]} content */
function shown(title, ...content) {
  const dialog = element("dialog", {
    class: "lora-rack-report lora-rack-theme",
    "aria-label": title,
    onkeydown: (/** @type {KeyboardEvent} */ event) => event.stopPropagation(), // the host has keys of its own
    onpaste: (/** @type {ClipboardEvent} */ event) => event.stopPropagation(),
    onclose: () => dialog.remove(),
  });
  dialog.append(element("h2", {}, title), ...content);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
