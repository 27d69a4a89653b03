// A graph of a text that A1111 writes. Every other paste is the host's.

import { later } from "../later.js";
import { TEXTS } from "./texts.js";

/** @param {import("../server.js").Server} server @param {import("./infotext.mjs").Hooks} hooks */
export function fromText(server, hooks) {
  /** @param {string} [text] without it, a person is asked */
  const make = async (text) => {
    const module = await later.infotext().catch(() => null);
    await (module ? module.make(server, hooks, text) : hooks.say("error", TEXTS.failed, ""));
  };
  /** @param {ClipboardEvent} event */
  const paste = (event) => {
    if (/** @type {Element | null} */ (event.target)?.closest?.("input, textarea, [contenteditable], dialog")) return;
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!/^[ \t]*Steps:[ \t]*\d/m.test(text) || !hooks.isEmpty()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    void make(text);
  };
  return { make, paste };
}
