"""Named racks in a stack, each with its rows put in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ..errors import BadRackChain
from ..grammar import MOST_ROWS, parse
from ..stack import Comment, Entry, NamedRack, Row, Stack

MOST_DEEP = 8  # racks inside one another
_DIGITS = 10  # behind the point: 0.7 times 0.1 is 0.07 to a person


def expand(stack: Stack, text_of: Callable[[str], str]) -> Stack:
    """The stack with the rows of every named rack that is on in its place, and none of those that are off.

    `text_of` gives the text kept under a name, and raises MissingRack. The strength of a rack multiplies
    those of its rows, and of racks inside it; comments inside are left out. Raises BadRackChain for racks
    inside one another in a circle, deeper than MOST_DEEP or of more than MOST_ROWS rows, and BadStackText for
    a text that cannot be read.
    """
    if not any(isinstance(row, NamedRack) for row in stack.rows):
        return stack
    expansion = _Expansion(text_of)
    rows: list[Row] = []
    for row in stack.rows:
        rows += expansion.entries(row, ()) if isinstance(row, NamedRack) else (row,)
    return Stack(tuple(rows))


def unpack(rack: NamedRack, text: str) -> Stack:
    """The rows of a rack, racks inside it by name, with its strength in theirs; off where it is off."""
    rows: list[Row] = []
    for row in parse(text).rows:
        if isinstance(row, NamedRack):
            row = replace(row, strength=row.strength * rack.strength)
        elif isinstance(row, Entry):
            row = _times(row, rack.strength)
        rows.append(row if isinstance(row, Comment) else replace(row, enabled=row.enabled and rack.enabled))
    return Stack(tuple(rows))


class _Expansion:
    """The racks of one stack, each read once, and how many rows they have given so far."""

    def __init__(self, text_of: Callable[[str], str]) -> None:
        self._text_of = text_of
        self._read: dict[str, tuple[Row, ...]] = {}
        self._given = 0

    def entries(self, rack: NamedRack, above: tuple[str, ...]) -> Iterator[Entry]:
        """The rows of a rack; `above` are the racks it is inside of."""
        if not rack.is_active:
            return
        chain = (*above, rack.name)
        if rack.name in above:
            raise BadRackChain(chain, "holds itself. Take the last one out of the one before it")
        if len(chain) > MOST_DEEP:
            raise BadRackChain(chain, f"is more than {MOST_DEEP} racks deep. Put rows in the place of some")
        if rack.name not in self._read:
            self._read[rack.name] = parse(self._text_of(rack.name)).rows
        for row in self._read[rack.name]:
            self._given += 1  # a rack inside counts as well, or few texts could ask for any number of looks
            if self._given > MOST_ROWS:
                raise BadRackChain(chain, f"has more than {MOST_ROWS} rows with the racks inside it")
            if isinstance(row, NamedRack):
                yield from self.entries(replace(row, strength=row.strength * rack.strength), chain)
            elif isinstance(row, Entry):
                yield _times(row, rack.strength)


def _times(entry: Entry, strength: float) -> Entry:
    found = entry.scaled(strength)
    if found.curve:
        return found
    model, clip = (round(one, _DIGITS) for one in (found.strength_model, found.strength_clip))
    return replace(found, strength_model=model, strength_clip=clip)
