// Putting text into the host's box: as if it were typed where a person types, so that the box can undo it; else in its
// value alone. The host hears of both as of a key.

const own = { isPutting: false };

/** Whether a change of the box is one of ours, and no key of a person. */
export const isPutting = () => own.isPutting;

/**
 * @param {HTMLTextAreaElement} area
 * @param {number} start
 * @param {number} end
 * @param {string} text in the place of what stands there
 * @param {number} [caret] where it stands afterwards; else where it was
 */
export function put(area, start, end, text, caret) {
  own.isPutting = true;
  try {
    putIn(area, start, end, text, caret);
  } finally {
    own.isPutting = false;
  }
}

/** @type {typeof put} */
function putIn(area, start, end, text, caret) {
  if (area.readOnly || area.disabled || area.value.slice(start, end) === text) return;
  const [from, to] = [area.selectionStart, area.selectionEnd];
  if (document.activeElement === area) {
    area.setSelectionRange(start, end);
    const done = text ? document.execCommand("insertText", false, text) : document.execCommand("delete");
    if (!done) splice(area, start, end, text);
    const after = (/** @type {number} */ place) =>
      place <= start ? place : place >= end ? place + text.length - (end - start) : Math.min(place, start + text.length);
    area.setSelectionRange(caret ?? after(from), caret ?? after(to));
  } else splice(area, start, end, text);
}

/** @param {HTMLTextAreaElement} area @param {number} start @param {number} end @param {string} text */
function splice(area, start, end, text) {
  area.setRangeText(text, start, end, "preserve");
  area.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText", data: text }));
}
