"""Block ids, and the selections of blocks and elements a text names: `IN04-08`, `OUT*`, `!M00`, `attn2.k`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ..families import encoder_groups, matches, words


class BlockId(NamedTuple):
    """`IN04` is ("IN", 4), `DN0.3` ("DN0.", 3), `BASE` ("BASE", None)."""

    prefix: str
    number: int | None = None

    def __str__(self) -> str:
        if self.number is None:
            return self.prefix
        return (
            f"{self.prefix}{self.number}" if self.prefix.endswith(".") else f"{self.prefix}{self.number:02d}"
        )


Rank = Callable[[BlockId], "tuple[int, ...] | None"]
"""Where a block stands in the order of a model; None for a kind of block it does not have."""

_ID = re.compile(r"([A-Z]+(?:\d{1,4}\.)?)(\d{1,4})?")


@lru_cache(maxsize=4096)
def read_id(text: str) -> BlockId | None:
    """A block id in any case and with any zeros in front; None where `text` is none."""
    text = text.upper()
    if text in encoder_groups():
        return BlockId(text)
    found = _ID.fullmatch(text)
    if found is None or (found[1].endswith(".") and found[2] is None):
        return None
    return BlockId(found[1], int(found[2]) if found[2] else None)


def is_of_text_encoder(block: BlockId) -> bool:
    """Whether a block is a text encoder's."""
    return block.prefix in encoder_groups()["BASE"]


@dataclass(frozen=True)
class Blocks:
    """A block, a range of them, all of a kind, or all (`first` is None)."""

    first: BlockId | None
    last: BlockId | None = None
    whole_kind: bool = False
    is_excluded: bool = False

    def __str__(self) -> str:
        sign = "!" if self.is_excluded else ""
        if self.first is None:
            return f"{sign}*"
        if self.whole_kind:
            return f"{sign}{self.first}*"
        if self.last is None:
            return f"{sign}{self.first}"
        same = self.first.prefix == self.last.prefix
        return f"{sign}{self.first}-{str(self.last)[len(self.last.prefix) :] if same else self.last}"

    @property
    def named(self) -> tuple[BlockId, ...]:
        """The ids written."""
        return tuple(block for block in (self.first, self.last) if block is not None)

    def holds(self, block: BlockId, rank: Rank) -> bool:
        """Whether `block` is meant, exclusion aside."""
        if self.first is None:
            return True
        if self.last is None:
            return block == self.first or self._holds_kind(block)
        if self.first.prefix == self.last.prefix != block.prefix:
            return False
        first, here, last = rank(self.first), rank(block), rank(self.last)
        return first is not None and here is not None and last is not None and first <= here <= last

    def _holds_kind(self, block: BlockId) -> bool:
        """Whether `block` is of the text encoders' group that is named, or of the kind before the '*'."""
        if self.first is None or self.first.number is not None:
            return False
        if block.prefix in encoder_groups().get(self.first.prefix, ()):
            return True
        text, kind = str(block), self.first.prefix
        return self.whole_kind and text.startswith(kind) and not text[len(kind) :][:1].isalpha()


@lru_cache(maxsize=4096)
def read_blocks(text: str) -> Blocks | None:
    """One selection of blocks; None where `text` is none."""
    text = text.upper()
    sign, name = (True, text[1:]) if text.startswith("!") else (False, text)
    if name == "*":
        return Blocks(None, is_excluded=sign)
    if name.endswith("*"):
        kind = re.fullmatch(r"[A-Z]+(?:\d{1,4}\.)?", name[:-1])
        known = name[:-1] if kind or name[:-1] in encoder_groups() else None
        return None if known is None else Blocks(BlockId(known), whole_kind=True, is_excluded=sign)
    start, dash, end = name.partition("-")
    first = read_id(start)
    if first is None or not dash:
        return None if first is None else Blocks(first, is_excluded=sign)
    last = BlockId(first.prefix, int(end)) if re.fullmatch(r"\d{1,4}", end) else read_id(end)
    if last is None or (first.number is None and first.prefix == last.prefix):
        return None
    if first.prefix == last.prefix and (first.number or 0) > (last.number or 0):
        return None
    return Blocks(first, last, is_excluded=sign)


@lru_cache(maxsize=4096)
def read_element(text: str) -> str | None:
    """One element in lower case, `!` in front where it is excluded; None where a word of it is unknown."""
    text = text.lower()
    name = text.removeprefix("!")
    known = name == "*" or all(word in words() or word == "attn" for word in name.split("."))
    return text if known else None


def holds_block(selections: tuple[Blocks, ...], block: BlockId, rank: Rank) -> bool:
    """Whether a list of selections means `block`: one of those named, or any, and none excluded."""
    wanted = [one for one in selections if not one.is_excluded]
    if any(one.holds(block, rank) for one in selections if one.is_excluded):
        return False
    return not wanted or any(one.holds(block, rank) for one in wanted)


def holds_element(selections: tuple[str, ...], element: str) -> bool:
    """The same for elements."""
    wanted = [one for one in selections if not one.startswith("!")]
    if any(_means(one[1:], element) for one in selections if one.startswith("!")):
        return False
    return not wanted or any(_means(one, element) for one in wanted)


def _means(word: str, element: str) -> bool:
    return word == "*" or matches(element, word)
