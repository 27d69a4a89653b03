"""The text of block weights: read, checked, and held as numbers.

    OUTALL                            a preset
    1,0,0,0,1,1,1,0,0,0,0,0           a vector; its length and the model say what it means
    BASE=1 IN04-08=0.5 OUT*=0         ids, ranges, all of a kind; the last that fits a block counts
    *=0 M00=1        default=0 M00=1  a default for all that is not named
    !IN04-08=0       IN04,M00=0       all but these; several at once
    IN05-OUT05/attn2=0.3              an element inside blocks, in place of their weight

A vector or preset comes first, if there is one. Cells and values may be random, R in 0…1 and U in -0.5…1.5,
drawn with `seed=7` (0 if left out), or letters with a value of their own, `A=0.7`. INVERT makes every weight
w into 1 - w. What is read holds numbers only: the same text is the same picture.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from ..errors import BadBlockText
from ..families import Preset
from ..untrusted import MAX_STRENGTH, is_strength
from .ids import Blocks, read_blocks, read_element
from .vectors import element_preset, lengths, preset, preset_names

Which = Literal["blocks", "elements"]

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_CELL = rf"(?:{_NUMBER}|[ABXRUabxru](?:[+-]\d+(?:\.\d+)?)?)"
_MOST_LETTERS = 20_000  # of one text; the longest vectors in circulation have 200
_IS_NUMBER = re.compile(_NUMBER)
_IS_CELL = re.compile(_CELL)
_LETTER = re.compile(r"[ABXRUabxru]")
_VECTOR = re.compile(rf"[\s,]*(?:[^:=,\s][^:=,]*:\s*)?({_CELL}(?:\s*,\s*{_CELL})*)(?=\s|$|,\s*$)")
# A name with its value, a word, or an '=' with nothing before it.
_ITEM = re.compile(r"[\s,]*(?:([^\s=]+?)\s*=\s*([^\s,=]*)|([^\s,=]+|=))")
_SETTINGS = frozenset({"SEED", "A", "B", "X"})
# Inspire's loader starts with A=4 and B=1; X is 1 in the block weights of A1111.
_LETTERS = {"A": 4.0, "B": 1.0, "X": 1.0}


@dataclass(frozen=True)
class Selection:
    """The left side of a term: blocks, and elements in them (none: the whole block)."""

    blocks: tuple[Blocks, ...]
    elements: tuple[str, ...] = ()
    text: str = "*"


@dataclass(frozen=True)
class BlockTerm:
    """`IN04,M00/attn2=0.3`: a weight for blocks, or for elements inside them."""

    selection: Selection
    value: float
    position: int

    def __str__(self) -> str:
        return f"{self.selection.text}={write_number(self.value)}"


@dataclass(frozen=True)
class BlockText:
    """What a text says, as numbers: a preset by its name or a vector, then terms in order."""

    preset: str = ""
    vector: tuple[float, ...] = ()
    terms: tuple[BlockTerm, ...] = ()

    def write_blocks(self) -> str:
        """The canonical text of all but the element weights."""
        first = self.preset or ",".join(map(write_number, self.vector))
        terms = [str(term) for term in self.terms if not term.selection.elements]
        return " ".join([first, *terms] if first else terms)

    def write_elements(self) -> str:
        """The canonical text of the element weights."""
        return " ".join([str(term) for term in self.terms if term.selection.elements])


EVERYTHING = Selection((Blocks(None),))


def write_number(value: float) -> str:
    """The shortest text that reads back as the same number; whole numbers without a point."""
    return repr(float(value)).removesuffix(".0")


@lru_cache(maxsize=4096)
def read_block_text(text: str, which: Which = "blocks") -> BlockText:
    """Read one of the two texts. Raises BadBlockText with the place, what is there and what is expected."""
    if len(text) > _MOST_LETTERS:
        found, expected = f"{len(text)} letters", f"at most {_MOST_LETTERS}"
        raise BadBlockText(which, _MOST_LETTERS, found, expected)
    return _Reader(text, which).read() if text else BlockText()


class _Item(NamedTuple):
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
        self._seed = 0
        self._drawn: random.Random | None = None
        self._is_inverted = False

    def read(self) -> BlockText:
        vector = _VECTOR.match(self._text) if self._which == "blocks" else None
        if vector is not None:
            self._check_length(vector)
        items = [item for item in self._items(vector.end() if vector else 0) if not self._set(item)]
        named: Preset | None = None
        if vector is None and items and items[0].value is None and self._which == "blocks":
            named = preset(items[0].name)
            items = items[1:] if named else items
        if named is not None and named.numbers and not self._is_inverted:
            return BlockText(named.name, (), self._terms(items))
        if vector is not None:
            numbers = self._numbers(vector[1], vector.start(1))
        else:
            numbers = tuple(self._number(cell, 0) for cell in named.cells) if named else ()
        terms = self._terms(items)
        if self._is_inverted and not numbers:
            terms = (BlockTerm(EVERYTHING, 0.0, 0), *terms)
        return BlockText("", numbers, terms)

    def _items(self, position: int) -> Iterator[_Item]:
        while found := _ITEM.match(self._text, position):
            if found[3] == "=":
                raise self._error(found.start(3), "'='", "a block before it, such as IN04=0.5")
            if found[3] is not None:
                yield _Item(found[3], None, found.start(3), found.end())
            else:
                yield _Item(found[1], found[2], found.start(1), found.start(2))
            position = found.end()

    def _set(self, item: _Item) -> bool:
        """Take in what holds for the whole text: INVERT, a seed, a letter's value."""
        name = item.name.upper()
        if name == "INVERT" and item.value is None:
            self._is_inverted = True
            return True
        if name not in _SETTINGS or item.value is None:
            return False
        if name == "SEED":
            if not re.fullmatch(r"[0-9]{1,20}", item.value):
                raise self._error(item.value_position, _shown(item.value), "a whole number as seed")
            self._seed = int(item.value)
        elif _IS_NUMBER.fullmatch(item.value):
            self._letters[name] = self._limited(float(item.value), item.value, item.value_position)
        else:
            raise self._error(item.value_position, _shown(item.value), f"a number for {name}")
        return True

    def _check_length(self, vector: re.Match[str]) -> None:
        count = vector[1].count(",") + 1
        if count not in lengths():
            known = ", ".join(map(str, sorted(lengths())))
            numbers = "1 number" if count == 1 else f"{count} numbers"
            raise self._error(vector.start(1), f"a vector of {numbers}", f"one of {known} numbers")

    def _numbers(self, cells: str, position: int) -> tuple[float, ...]:
        if not self._is_inverted and not _LETTER.search(cells):
            numbers = tuple(map(float, cells.split(",")))
            if all(map(is_strength, numbers)):
                return numbers
        return tuple([self._number(cell[0], position + cell.start()) for cell in _IS_CELL.finditer(cells)])

    def _terms(self, items: list[_Item]) -> tuple[BlockTerm, ...]:
        """The terms in order, the defaults before all others."""
        defaults: list[BlockTerm] = []
        terms: list[BlockTerm] = []
        for item in items:
            if item.value is None:
                terms += self._of_preset(item)
            elif item.name.upper() == "DEFAULT":
                defaults.append(BlockTerm(EVERYTHING, self._number(item.value, item.value_position), 0))
            else:
                selection = _select(item.name)
                if selection is None or (self._which == "elements" and not selection.elements):
                    raise self._misselected(item.name, item.position)
                value = self._number(item.value, item.value_position)
                terms.append(BlockTerm(selection, value, item.position))
        return (*defaults, *terms)

    def _of_preset(self, item: _Item) -> list[BlockTerm]:
        text = element_preset(item.name)
        if text is None:
            raise self._unknown(item)
        terms = read_block_text(text, "elements").terms
        return [BlockTerm(term.selection, self._inverted(term.value), item.position) for term in terms]

    def _number(self, cell: str, position: int) -> float:
        if _IS_NUMBER.fullmatch(cell):
            return self._limited(self._inverted(float(cell)), cell, position)
        if not _IS_CELL.fullmatch(cell):
            raise self._error(position, _shown(cell), "a number such as 0.5")
        letter, added = cell[0], float(cell[1:] or 0)
        if letter in "RrUu":
            self._drawn = self._drawn or random.Random(self._seed)
            low, high = (0.0, 1.0) if letter in "Rr" else (-0.5, 1.5)
            value = round(low + (high - low) * self._drawn.random(), 3)
        else:
            value = self._letters[letter.upper()] / (2 if letter in "ab" else 1)
        # at 0.7 is to be written 0.2
        return self._limited(self._inverted(round(value + added, 12)), cell, position)

    def _inverted(self, value: float) -> float:
        # 1 - 0.9 is to be written 0.1
        return round(1 - value, 12) if self._is_inverted else value

    def _limited(self, value: float, text: str, position: int) -> float:
        if not is_strength(value):
            limits = f"a finite number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
            raise self._error(position, repr(text) + " inverted" * self._is_inverted, limits)
        return value

    def _misselected(self, name: str, position: int) -> BadBlockText:
        """What is wrong with the left side of a term."""
        blocks, slash, elements = name.partition("/")
        for part, at in _split(blocks, position):
            if read_blocks(part) is None:
                return self._error(at, _shown(part), "a block such as IN04, IN04-08, IN* or *")
        if not slash:
            expected = "blocks/element=number, such as IN05-OUT05/attn2=0.3"
            return self._error(position, repr(name), expected)
        parts = _split(elements, position + len(blocks) + 1)
        part, at = next((part, at) for part, at in parts if read_element(part) is None)
        return self._error(at, _shown(part), "an element such as attn2, attn1.k, ff, norm, conv or *")

    def _unknown(self, item: _Item) -> BadBlockText:
        if preset(item.name) is not None:
            found, expected = f"the preset {item.name}", "one vector or preset, at the beginning"
            return self._error(item.position, found, expected)
        near = preset_names(like=item.name)
        if not near and _select(item.name) is not None:
            after = item.position + len(item.name)
            return self._error(after, "no number", f"a weight for {item.name}, such as {item.name}=0.5")
        expected = f"a block with its weight (IN04=0.5) or a preset ({', '.join(near) or 'OUTALL'}, …)"
        return self._error(item.position, repr(item.name), expected)

    def _error(self, position: int, found: str, expected: str) -> BadBlockText:
        return BadBlockText(self._which, position, found, expected)


@lru_cache(maxsize=4096)
def _select(text: str) -> Selection | None:
    """The left side of a term; None where a part of it is no block or no element."""
    blocks, slash, elements = text.partition("/")
    selected = [read_blocks(part) for part in blocks.split(",")]
    chosen = [read_element(part) for part in elements.split(",")] if slash else []
    if None in selected or None in chosen:
        return None
    left, right = tuple(filter(None, selected)), tuple(filter(None, chosen))
    written = ",".join(map(str, left)) + (f"/{','.join(right)}" if right else "")
    return Selection(left, right, written)


def _split(text: str, position: int) -> Iterator[tuple[str, int]]:
    """The parts of a list and where each begins."""
    for part in text.split(","):
        yield part, position
        position += len(part) + 1


def _shown(text: str) -> str:
    return repr(text) if text else "nothing"
