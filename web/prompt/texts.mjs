// Every text of the helpers on prompts.

import { fill, localised } from "../language.js";

export const TEXTS = localised("prompt", {
  tag: "LoRA tag {name}",
  offByLine: "Off: its line begins with #.",
  offByComment: "Off: it is in a comment, which ComfyUI takes out.",
  asking: "Asking the server…",
  lora: "LoRA",
  chooseLora: "Choose a LoRA for this prompt",
  bar: "LoRAs of this prompt",
  chips: "LoRA tags of this prompt",
  toRack: "To a rack",
  toRackLabel: "Move all tags to a LoRA Rack before this node",
  fromRack: "From the rack",
  fromRackLabel: "Move the rows of the LoRA Rack before this node into this prompt",
  hasComments: "The rack holds comments, which would become words of the prompt. Remove them first.",
  noRoom: "A rack cannot be put before this node.",
  choices: "What may be meant",
  choicesHint: "↑ ↓ choose · Enter or Tab takes · Esc closes",
  preferred: "preferred",
  part_unet: "strength of the model",
  part_te: "strength of the text encoder",
  part_lbw: "block weights, such as OUTALL",
  part_lbwe: "weights of elements, such as */attn=0.8",
  part_start: "from this fraction of the sampling on, 0 to 1",
  part_stop: "until this fraction of the sampling, 0 to 1",
  part_steps: "in these steps of the sampler, such as 1-2",
  part_hash: "the file of this content",
  insertWord: "Insert {word}",
  wordIsThere: "{word} is in the prompt",
});

/** @param {string} name */
export const tagLabel = (name) => fill(TEXTS.tag, { name });

/** @param {string} word @param {boolean} isThere */
export const wordLabel = (word, isThere) => fill(isThere ? TEXTS.wordIsThere : TEXTS.insertWord, { word });
