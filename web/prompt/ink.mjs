// The colours of a prompt: a layer above the host's text box that holds the same text unseen, and tints its tags. The box
// itself is left as it is, so that typing in it is the host's.

import { element } from "../parts/dom.js";

/** @typedef {import("./lexer.mjs").Tag} Tag */
/** @typedef {{tag: Tag, look: string, parts: {start: number, end: number, look: string}[]}} Mark `look` is the classes */

const SAME = [
  "fontFamily", "fontSize", "fontStyle", "fontWeight", "fontStretch", "fontVariant", "fontFeatureSettings", "fontKerning",
  "lineHeight", "letterSpacing", "wordSpacing", "textTransform", "textIndent", "textAlign", "textRendering", "tabSize",
  "direction", "unicodeBidi", "whiteSpace", "wordBreak", "overflowWrap", "lineBreak", "hyphens",
  "paddingTop", "paddingRight", "paddingBottom", "paddingLeft",
];

export class Ink {
  /** @param {HTMLTextAreaElement} area */
  constructor(area) {
    this.area = area;
    this.sheet = element("div", { class: "lora-rack-ink lora-rack-theme lod-toggle", "aria-hidden": "true" });
    /** @type {{key: string, element: HTMLElement}[]} */
    this.lines = [];
    this.isDressed = false;
  }

  /** Take over how the box sets its text; once, and whenever its size or its look may have changed. */
  dress() {
    this.isDressed = false;
  }

  #dress() {
    const style = getComputedStyle(this.area);
    for (const property of SAME) {
      // @ts-expect-error the names are of style properties
      this.sheet.style[property] = style[property];
    }
    this.isDressed = true;
    this.style = style;
  }

  /** Lie exactly above what the box shows. */
  lay() {
    const { area, sheet } = this;
    if (!this.isDressed) this.#dress();
    const style = /** @type {CSSStyleDeclaration} */ (this.style);
    const isBorderBox = style.boxSizing === "border-box";
    const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const border = parseFloat(style.borderLeftWidth) + parseFloat(style.borderRightWidth);
    const outer = parseFloat(style.width) + (isBorderBox ? 0 : padding + border);
    const scrollbar = area.offsetWidth - area.clientWidth; // borders included
    const place = {
      left: `${area.offsetLeft + area.clientLeft}px`, top: `${area.offsetTop + area.clientTop}px`,
      width: `${outer - scrollbar}px`, height: `${area.clientHeight}px`,
    };
    for (const [name, value] of Object.entries(place)) {
      if (sheet.style.getPropertyValue(name) !== value) sheet.style.setProperty(name, value);
    }
    this.scroll();
  }

  scroll() {
    if (this.sheet.scrollTop !== this.area.scrollTop) this.sheet.scrollTop = this.area.scrollTop;
    if (this.sheet.scrollLeft !== this.area.scrollLeft) this.sheet.scrollLeft = this.area.scrollLeft;
  }

  clear() {
    this.sheet.replaceChildren();
    this.lines = [];
  }

  /**
   * Hold a text and tint its tags; only lines that changed are made anew.
   *
   * @param {string} text
   * @param {Mark[]} marks in the order of the text, none across a line end
   */
  draw(text, marks) {
    const texts = text.split("\n");
    const fresh = [];
    let [start, next] = [0, 0];
    for (const line of texts) {
      const end = start + line.length;
      const here = [];
      while (next < marks.length && marks[next].tag.start < end) here.push(marks[next++]);
      fresh.push({ line, start, marks: here, key: keyOf(line, start, here) });
      start = end + 1;
    }
    const { lines } = this;
    let first = 0;
    while (first < fresh.length && first < lines.length && fresh[first].key === lines[first].key) first++;
    let [to, was] = [fresh.length, lines.length];
    while (to > first && was > first && fresh[to - 1].key === lines[was - 1].key) [to, was] = [to - 1, was - 1];
    const after = lines[was]?.element ?? null;
    const made = fresh.slice(first, to).map((one) => ({ key: one.key, element: lineOf(one) }));
    for (const { element: old } of lines.splice(first, was - first, ...made)) old.remove();
    for (const { element: one } of made) this.sheet.insertBefore(one, after);
  }

  /**
   * Where a tag is on the screen: a box for each line it goes over.
   *
   * @param {number} start of the tag
   * @returns {DOMRect[]}
   */
  boxesOf(start) {
    const { node, offset } = this.#find(start);
    const mark = node?.parentElement?.closest(".lora-rack-tag");
    return offset === 0 && mark ? [...mark.getClientRects()] : [];
  }

  /**
   * Where a place of the text is on the screen.
   *
   * @param {number} place
   * @returns {DOMRect}
   */
  boxAt(place) {
    const { node, offset } = this.#find(place);
    const range = document.createRange();
    if (!node) return this.area.getBoundingClientRect();
    range.setStart(node, offset);
    range.collapse(true);
    const box = range.getClientRects()[0];
    return box ?? (node.parentElement ?? this.area).getBoundingClientRect();
  }

  /** @param {number} place @returns {{node: Node | null, offset: number}} the text that begins there, or holds it */
  #find(place) {
    let start = 0;
    for (const { element: line } of this.lines) {
      const length = Number(line.dataset.length);
      if (place <= start + length) return inside(line, place - start);
      start += length + 1;
    }
    return { node: null, offset: 0 };
  }
}

/** @param {HTMLElement} line @param {number} place @returns {{node: Node | null, offset: number}} */
function inside(line, place) {
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  let [left, last] = [place, /** @type {Node | null} */ (null)];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const length = node.nodeValue?.length ?? 0;
    if (left < length) return { node, offset: left };
    left -= length;
    last = node;
  }
  return { node: last, offset: last?.nodeValue?.length ?? 0 };
}

/** @param {string} line @param {number} start @param {Mark[]} marks */
function keyOf(line, start, marks) {
  if (!marks.length) return line;
  const looks = marks.map(({ tag, look, parts }) =>
    `${tag.start - start} ${tag.end - start} ${look} ${parts.map((part) => `${part.start} ${part.end}`).join()}`);
  return `${line}\n${looks.join("\n")}`;
}

/** @param {{line: string, start: number, marks: Mark[]}} line */
function lineOf({ line, start, marks }) {
  const made = element("div", {});
  made.dataset.length = String(line.length);
  let here = 0;
  for (const { tag, look, parts } of marks) {
    const [from, to] = [tag.start - start, tag.end - start];
    const text = line.slice(from, to);
    const mark = element("span", { class: `lora-rack-tag ${look}` });
    let done = 0;
    for (const part of parts) {
      mark.append(text.slice(done, part.start),
        element("span", { class: part.look }, text.slice(part.start, part.end)));
      done = part.end;
    }
    mark.append(text.slice(done));
    made.append(line.slice(here, from), mark);
    here = to;
  }
  made.append(line.slice(here) || (here ? "" : "\u200b"));
  return made;
}
