// Every text of the helpers on prompts.

import { fill, localised } from "../language.js";

export const TEXTS = localised("prompt", {
  tag: "LoRA tag {name}",
  offByLine: "Off: its line begins with #.",
  offByComment: "Off: it is in a comment, which ComfyUI takes out.",
  asking: "Asking the server…",
  insertWord: "Insert {word}",
  wordIsThere: "{word} is in the prompt",
});

/** @param {string} name */
export const tagLabel = (name) => fill(TEXTS.tag, { name });

/** @param {string} word @param {boolean} isThere */
export const wordLabel = (word, isThere) => fill(isThere ? TEXTS.wordIsThere : TEXTS.insertWord, { word });
