"""The text of block weights: read, checked, and held as numbers.

    OUTALL                            a preset
    1,0,0,0,1,1,1,0,0,0,0,0           a vector; its length and the model say what it means
    BASE=1 IN04-08=0.5 OUT*=0         ids, ranges, all of a kind; the last that fits a block counts
    *=0 M00=1        default=0 M00=1  a default for all that is not named
    !IN04-08=0       IN04,M00=0       all but these; several at once
    IN05-OUT05/attn2=0.3              an element inside blocks, in place of their weight; */ff,!IN/img are lists

A vector or preset comes first, if there is one. Cells and values may be random, R in 0…1 and U in -0.5…1.5,
drawn with `seed=7` (0 if left out), or letters with a value of their own, `A=0.7`. INVERT makes every weight
w into 1 - w. What is read holds numbers only: the same text is the same picture.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from ..errors import BadBlockText
from .ids import Blocks, read_blocks, read_element
from .vectors import element_preset, lengths, preset, preset_names

Which = Literal["blocks", "elements"]

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_CELL = rf"(?:{_NUMBER}|[ABXRUabxru](?:[+-]\d+(?:\.\d+)?)?)"
_IS_NUMBER = re.compile(_NUMBER)
_IS_CELL = re.compile(_CELL)
_VECTOR = re.compile(rf"(?:[^:=,\s][^:=,]*:\s*)?({_CELL}(?:\s*,\s*{_CELL})*)(?=\s|$|,\s*$)")
_ITEM = re.compile(r"([^\s=]+?)\s*=\s*([^\s,=]*)|[^\s,=]+|=")
_GAP = re.compile(r"[\s,]*")
_WORDS = frozenset({"SEED", "A", "B", "X"})
# Inspire's loader starts with A=4 and B=1; X is 1 in the block weights of A1111.
_LETTERS = {"A": 4.0, "B": 1.0, "X": 1.0}


@dataclass(frozen=True)
class Term:
    """`IN04,M00/attn2=0.3`: a weight for blocks, or for elements inside them."""

    blocks: tuple[Blocks, ...]
    elements: tuple[str, ...]  # empty: the whole block
    value: float
    position: int

    def __str__(self) -> str:
        elements = f"/{','.join(self.elements)}" if self.elements else ""
        return f"{','.join(map(str, self.blocks))}{elements}={write_number(self.value)}"


@dataclass(frozen=True)
class BlockText:
    """What a text says, as numbers: a preset by its name or a vector, then terms in order."""

    preset: str = ""
    vector: tuple[float, ...] = ()
    terms: tuple[Term, ...] = ()

    def write_blocks(self) -> str:
        """The canonical text of all but the element weights."""
        first = self.preset or ",".join(map(write_number, self.vector))
        terms = [str(term) for term in self.terms if not term.elements]
        return " ".join([first, *terms] if first else terms)

    def write_elements(self) -> str:
        """The canonical text of the element weights."""
        return " ".join(str(term) for term in self.terms if term.elements)


def write_number(value: float) -> str:
    """A number as short as it can be read back."""
    return repr(float(value)).removesuffix(".0")


@lru_cache(maxsize=4096)
def read_block_text(text: str, which: Which = "blocks") -> BlockText:
    """Read one of the two texts. Raises BadBlockText with the place, what is there and what is expected."""
    return _Reader(text, which).read()


@dataclass(frozen=True)
class _Item:
    """A piece of the text: `name=value`, or a word, where `value` is None."""

    name: str
    value: str | None
    position: int
    value_position: int


class _Reader:
    """One text, read from left to right, then its letters, its random numbers and INVERT carried out."""

    def __init__(self, text: str, which: Which) -> None:
        self._text = text
        self._which = which
        self._letters = dict(_LETTERS)
        self._random = random.Random(0)
        self._sign = 1.0
        self._offset = 0.0

    def read(self) -> BlockText:
        position = self._skip(0)
        vector = _VECTOR.match(self._text, position) if self._which == "blocks" else None
        if vector is not None:
            self._check_length(vector)
        items = list(self._items(self._skip(vector.end() if vector else position)))
        items = [item for item in items if not self._set(item)]
        named, items = self._preset(items) if vector is None and self._which == "blocks" else ("", items)
        cells = self._cells(vector) if vector is not None else self._preset_cells(named)
        numbers = tuple(self._number(cell, at) for cell, at in cells)
        terms = [term for item in items for term in self._terms(item)]
        is_plain = named and not self._offset and all(_IS_NUMBER.fullmatch(cell) for cell, _ in cells)
        if self._offset and not numbers:
            terms.insert(0, Term((Blocks(None),), (), 0.0, 0))
        return BlockText(named if is_plain else "", () if is_plain else numbers, tuple(_sorted(terms)))

    def _skip(self, position: int) -> int:
        gap = _GAP.match(self._text, position)
        return gap.end() if gap else position

    def _items(self, position: int) -> Iterator[_Item]:
        while position < len(self._text):
            found = _ITEM.match(self._text, position)
            if found is None or found[0] == "=":
                raise self._error(position, "'='", "a block before it, such as IN04=0.5")
            yield _Item(found[1] or found[0], found[2], position, found.start(2))
            position = self._skip(found.end())

    def _set(self, item: _Item) -> bool:
        """Take in what holds for the whole text: INVERT, a seed, a letter's value."""
        name = item.name.upper()
        if name == "INVERT" and item.value is None:
            self._sign, self._offset = -1.0, 1.0
            return True
        if name not in _WORDS or item.value is None:
            return False
        if name == "SEED":
            if not re.fullmatch(r"\d{1,20}", item.value):
                raise self._error(item.value_position, _shown(item.value), "a whole number as seed")
            self._random = random.Random(int(item.value))
        elif _IS_NUMBER.fullmatch(item.value):
            self._letters[name] = self._finite(item.value, item.value_position)
        else:
            raise self._error(item.value_position, _shown(item.value), f"a number for {name}")
        return True

    def _preset(self, items: list[_Item]) -> tuple[str, list[_Item]]:
        """The name of the preset the text begins with, if it does, and the other items."""
        if not items or items[0].value is not None or element_preset(items[0].name):
            return "", items
        found = preset(items[0].name)
        if found is None:
            return "", items
        return found.name, items[1:]

    def _check_length(self, vector: re.Match[str]) -> None:
        count = vector[1].count(",") + 1
        if count not in lengths():
            known = ", ".join(map(str, sorted(lengths())))
            raise self._error(vector.start(1), f"a vector of {_count(count)}", f"one of {known} numbers")

    def _cells(self, vector: re.Match[str]) -> list[tuple[str, int]]:
        return [
            (cell[0], cell.start()) for cell in _IS_CELL.finditer(self._text, vector.start(1), vector.end(1))
        ]

    def _preset_cells(self, name: str) -> list[tuple[str, int]]:
        found = preset(name) if name else None
        return [(cell, 0) for cell in found.cells] if found else []

    def _terms(self, item: _Item) -> Iterator[Term]:
        if item.value is None:
            named = element_preset(item.name)
            if named is None:
                raise self._unknown(item)
            yield from (replace(term, position=item.position) for term in self._of_preset(named))
            return
        if item.name.upper() in ("DEFAULT", "BASE") and item.name.islower() and item.name == "default":
            selected: tuple[Blocks, ...] = (Blocks(None),)
            yield Term(selected, (), self._number(item.value, item.value_position), -1)
            return
        blocks, slash, elements = item.name.partition("/")
        if not slash and self._which == "elements":
            raise self._error(
                item.position, repr(item.name), "blocks/element=number, such as IN05-OUT05/attn2=0.3"
            )
        selected = tuple(self._blocks(part, at) for part, at in _split(blocks, item.position))
        names = _split(elements, item.position + len(blocks) + 1) if slash else []
        chosen = tuple(self._element(part, at) for part, at in names)
        yield Term(selected, chosen, self._number(item.value, item.value_position), item.position)

    def _of_preset(self, text: str) -> tuple[Term, ...]:
        terms = read_block_text(text, "elements").terms
        return tuple(replace(term, value=self._inverted(term.value)) for term in terms)

    def _blocks(self, part: str, position: int) -> Blocks:
        found = read_blocks(part)
        if found is None:
            raise self._error(position, _shown(part), "a block such as IN04, IN04-08, IN* or *")
        return found

    def _element(self, part: str, position: int) -> str:
        found = read_element(part)
        if found is None:
            raise self._error(
                position, _shown(part), "an element such as attn2, attn1.k, ff, norm, conv or *"
            )
        return found

    def _number(self, cell: str, position: int) -> float:
        if _IS_NUMBER.fullmatch(cell):
            return self._inverted(self._finite(cell, position))
        if not _IS_CELL.fullmatch(cell):
            raise self._error(position, _shown(cell), "a number such as 0.5")
        letter, added = cell[0], float(cell[1:] or 0)
        if letter in "Rr":
            value = round(self._random.random(), 3)
        elif letter in "Uu":
            value = round(2 * self._random.random() - 0.5, 3)
        else:
            value = self._letters[letter.upper()] / (2 if letter in "ab" else 1)
        return self._inverted(value + added)

    def _inverted(self, value: float) -> float:
        # 1 - 0.9 is to be written 0.1
        return round(1 - value, 12) if self._offset else value

    def _finite(self, text: str, position: int) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise self._error(position, repr(text), "a number that is not beyond all bounds")
        return value

    def _unknown(self, item: _Item) -> BadBlockText:
        if read_blocks(item.name) is not None or "/" in item.name:
            after = item.position + len(item.name)
            return self._error(after, "no number", f"a weight for {item.name}, such as {item.name}=0.5")
        if preset(item.name) is not None:
            return self._error(
                item.position, f"the preset {item.name}", "one vector or preset, at the beginning"
            )
        near = ", ".join(preset_names(like=item.name)) or "OUTALL"
        return self._error(
            item.position, repr(item.name), f"a block with its weight (IN04=0.5) or a preset ({near}, …)"
        )

    def _error(self, position: int, found: str, expected: str) -> BadBlockText:
        return BadBlockText(self._which, position, found, expected)


def _split(text: str, position: int) -> Iterator[tuple[str, int]]:
    """The parts of a list and where each begins."""
    for part in text.split(","):
        yield part, position
        position += len(part) + 1


def _sorted(terms: list[Term]) -> list[Term]:
    """The terms in order, the default before all others."""
    defaults = [replace(term, position=0) for term in terms if term.position < 0]
    return [*defaults, *(term for term in terms if term.position >= 0)]


def _shown(text: str) -> str:
    return repr(text) if text else "nothing"


def _count(numbers: int) -> str:
    return "1 number" if numbers == 1 else f"{numbers} numbers"
