import { localised } from "../language.js";

export const TEXTS = localised("infotext", {
  command: "New from A1111 text",
  hint: "Paste the prompt and all lines under it.",
  make: "Make the graph",
  made: "Made a graph from the text",
  failed: "The text could not be read",
  missing: "Not here",
});
