// Making elements. Texts are always set as text: no name or word of a file is ever read as markup.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * An element with attributes and children. `on…` adds a listener, true and false set or leave out an attribute.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else setAttribute(made, name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/**
 * A part of a drawing.
 *
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {unknown} value
 */
export function setAttribute(target, name, value) {
  if (value === false || value === null || value === undefined) target.removeAttribute(name);
  else target.setAttribute(name, value === true ? "" : String(value));
}

/**
 * Whether the wheel over an element is the element's own: the host's new rendering zooms the graph otherwise.
 *
 * @param {Element} target
 * @param {boolean} isOwn
 */
export function captureWheel(target, isOwn) {
  setAttribute(target, "data-capture-wheel", isOwn ? "true" : null);
}

/**
 * Set a text only where it differs: a write throws away the selection and the layout.
 *
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Drawn on a field of 16 by 16, in strokes. */
const ICONS = {
  plus: "M8 3v10M3 8h10",
  dots: "M8 3.5v.01M8 8v.01M8 12.5v.01",
  chevron: "M5 6.5 8 9.5 11 6.5",
  text: "M3 4h10M3 8h10M3 12h6",
  grip: "M6 4v.01M6 8v.01M6 12v.01M10 4v.01M10 8v.01M10 12v.01",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.5 10.5 13.5 13.5",
  warning: "M8 6v3.5M8 11.7v.01M8 2.2 14.3 13.3H1.7Z",
  cross: "M4 4l8 8M12 4l-8 8",
  invert: "M8 2.5v11M5 5 8 2.5 11 5M5 11l3 2.5 3-2.5",
  reset: "M3.5 8a4.5 4.5 0 1 0 1.6-3.4M3.5 3v2.6h2.6",
  copy: "M6 6h7v7H6ZM10 6V3H3v7h3",
  picture: "M3 3.5h10v9H3ZM3 11l3-3 2.5 2.5L10.5 8.5 13 11",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const made = svg("svg", { viewBox: "0 0 16 16", class: "lora-rack-icon", "aria-hidden": "true" });
  made.append(svg("path", { d: ICONS[name] }));
  return made;
}

/**
 * A button with an icon, a visible text, or both.
 *
 * @param {string} label what a screen reader says and a tooltip shows
 * @param {(event: MouseEvent) => void} onclick
 * @param {{icon?: keyof typeof ICONS, text?: string, class?: string}} [look]
 */
export function button(label, onclick, look = {}) {
  const made = element(
    "button",
    { type: "button", class: look.class, "aria-label": label, title: label, onclick },
    look.icon ? icon(look.icon) : null,
    look.text,
  );
  return made;
}
