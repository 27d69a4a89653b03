// Moving a row by its grip: the list follows the hand, and the new place counts when it lets go.

/**
 * @param {PointerEvent} event the press on the grip
 * @param {HTMLElement} list
 * @param {(place: number) => void} dropped
 */
export function dragRow(event, list, dropped) {
  const grip = /** @type {HTMLElement} */ (event.currentTarget);
  const row = /** @type {HTMLElement | null} */ (grip.closest("[role=listitem]"));
  if (event.button !== 0 || !row) return;
  event.preventDefault();
  const others = [...list.children].filter((child) => child !== row);
  const from = [...list.children].indexOf(row);
  const height = row.getBoundingClientRect().height;
  const zoom = height / (row.offsetHeight || height); // the graph scales its nodes
  let place = from;
  const released = new AbortController();
  const { signal } = released;

  const follow = (/** @type {PointerEvent} */ now) => {
    row.style.transform = `translateY(${(now.clientY - event.clientY) / zoom}px)`;
    const centres = others.map((other) => {
      const box = other.getBoundingClientRect();
      const shift = Number(/** @type {HTMLElement} */ (other).dataset.shift ?? 0) * height;
      return box.top - shift + box.height / 2;
    });
    const here = row.getBoundingClientRect().top + height / 2;
    place = centres.filter((centre) => centre < here).length;
    others.forEach((other, index) => shift(/** @type {HTMLElement} */ (other), shiftOf(index, from, place), row.offsetHeight));
    scrollAtEdge(list, now.clientY);
  };
  const end = (/** @type {PointerEvent} */ last) => {
    released.abort();
    row.classList.remove("is-dragged");
    row.style.transform = "";
    for (const other of others) shift(/** @type {HTMLElement} */ (other), 0, 0);
    if (last.type === "pointerup" && place !== from) dropped(place);
  };
  row.classList.add("is-dragged");
  grip.setPointerCapture(event.pointerId);
  grip.addEventListener("pointermove", follow, { signal });
  grip.addEventListener("pointerup", end, { signal });
  grip.addEventListener("pointercancel", end, { signal });
}

/**
 * Which way a row makes room when the one at `from` comes to stand at `place`.
 *
 * @param {number} index among the others
 * @param {number} from
 * @param {number} place
 */
function shiftOf(index, from, place) {
  if (index >= from && index < place) return -1;
  return index < from && index >= place ? 1 : 0;
}

/** @param {HTMLElement} row @param {number} direction @param {number} height */
function shift(row, direction, height) {
  row.dataset.shift = String(direction);
  row.style.transform = direction ? `translateY(${direction * height}px)` : "";
}

/** @param {HTMLElement} list @param {number} y */
function scrollAtEdge(list, y) {
  const box = list.getBoundingClientRect();
  if (y < box.top + 20) list.scrollTop -= 12;
  if (y > box.bottom - 20) list.scrollTop += 12;
}
