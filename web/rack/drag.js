// Moving a row by its grip: the list follows the hand, and the new place counts when it lets go.

const EDGE_PX = 20;
const SCROLL_PX = 8; // in each frame the hand stays at an edge

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
  const rows = [...list.children].map((child) => /** @type {HTMLElement} */ (child));
  const others = rows.filter((other) => other !== row);
  const from = rows.indexOf(row);
  const height = row.getBoundingClientRect().height;
  const zoom = height / (row.offsetHeight || height); // the graph scales its nodes
  const scrolled = list.scrollTop;
  const most = list.scrollHeight - list.clientHeight; // a row held below the last makes the list longer
  let place = from;
  let hand = event;
  const released = new AbortController();
  const { signal } = released;

  const follow = (now = hand) => {
    hand = now;
    const way = (now.clientY - event.clientY) / zoom + list.scrollTop - scrolled;
    row.style.transform = `translateY(${way}px)`;
    // By where the rows are laid out: on the screen they may still be gliding out of the way.
    place = others.filter((other) => middleOf(other) < middleOf(row) + way).length;
    others.forEach((other, index) => shift(other, shiftOf(index, from, place), row.offsetHeight));
  };
  const scroll = () => {
    if (signal.aborted) return;
    if (hand !== event && scrollAtEdge(list, most, hand.clientY)) follow();
    requestAnimationFrame(scroll);
  };
  const end = (/** @type {PointerEvent} */ last) => {
    released.abort();
    row.classList.remove("is-dragged");
    row.style.transform = "";
    for (const other of others) shift(other, 0, 0);
    if (last.type === "pointerup" && place !== from) dropped(place);
  };
  row.classList.add("is-dragged");
  grip.setPointerCapture(event.pointerId);
  grip.addEventListener("pointermove", (now) => follow(now), { signal });
  grip.addEventListener("pointerup", end, { signal });
  grip.addEventListener("pointercancel", end, { signal });
  scroll();
}

/** @param {HTMLElement} row @returns {number} px from the top of the list, whatever moves it on the screen */
const middleOf = (row) => row.offsetTop + row.offsetHeight / 2;

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
  row.style.transform = direction ? `translateY(${direction * height}px)` : "";
}

/**
 * @param {HTMLElement} list
 * @param {number} most as far as it scrolls
 * @param {number} y of the hand
 * @returns {boolean} whether there was more that way
 */
function scrollAtEdge(list, most, y) {
  const box = list.getBoundingClientRect();
  const before = list.scrollTop;
  if (y < box.top + EDGE_PX) list.scrollTop = before - SCROLL_PX;
  if (y > box.bottom - EDGE_PX && before < most) list.scrollTop = Math.min(most, before + SCROLL_PX);
  return list.scrollTop !== before;
}
