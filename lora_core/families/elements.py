"""The part of a block a weight belongs to, as a path of words: `attn2.k`, `img.ff.up`, `res.conv`.

elements.json says which words the components of a key mean in every model, a family's record what they mean
in it alone. A path holds every part it is in, so that a word anywhere in it addresses the weight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

from .catalog import data_beside, families
from .encoders import encoder_names
from .record import Family, FusedWeight, read_fused

OTHER = "other"


class FusedPart(NamedTuple):
    """Some rows (along 0) or columns (along 1) of a weight, and the words that tell them from the others."""

    along: int
    start: int
    length: int
    words: str


@dataclass(frozen=True, eq=False)
class Elements:
    """What the keys of one family mean."""

    inside: re.Pattern[str]
    parts: re.Pattern[str]
    meanings: tuple[tuple[str, ...], ...]  # of the groups of both patterns
    fused: tuple[FusedWeight, ...]

    def of(self, path: str) -> str:
        """The element of a model key, without prefix and `.weight`; `other` where nothing is known."""
        words: list[str] = []
        position = 0
        while position < len(path):
            if found := self.inside.match(path, position):
                words += self.meanings[found.lastindex or 0]
                position = found.end()
                continue
            if found := self.parts.match(path, position):
                words += self.meanings[found.lastindex or 0]
                position = found.end()
            position = path.find(".", position) + 1 or len(path)
        kept = [word for place, word in enumerate(words) if place == 0 or words[place - 1] != word]
        return ".".join(kept) or OTHER

    def fused_in(self, path: str) -> FusedWeight | None:
        """How the weight of a module is several in one; None where it is one."""
        return next((fused for fused in self.fused if fused.pattern.search(path)), None)

    def parts_of(self, path: str, shape: tuple[int, ...]) -> tuple[FusedPart, ...]:
        """The parts of a weight, (out, in), that is several in one; empty for any other."""
        fused = self.fused_in(path)
        if fused is None:
            return ()
        found: list[FusedPart] = []
        start = 0
        for (meaning, _), length in zip(fused.parts, fused.lengths(shape), strict=False):
            found.append(FusedPart(fused.along, start, length, meaning))
            start += length
        return tuple(found)


@cache
def elements_of(family: Family | None) -> Elements:
    """The elements of a family; None: of any model."""
    common = _common()
    own = family.elements if family is not None else ()
    rows = [*own, *common["parts"]]
    filled = [p.replace("@UP", common["up"]).replace("@DOWN", common["down"]) for p, _ in rows]
    before = len(common["inside"])
    # Empty groups in front give a row the same number in both patterns.
    parts = "()" * before + "(?:" + "|".join(f"({pattern})" for pattern in filled) + r")(?=\.|$)"
    return Elements(
        re.compile("|".join(f"({pattern})" for pattern, _ in common["inside"])),
        re.compile(parts),
        ((), *(tuple(meaning.split(".")) for _, meaning in (*common["inside"], *rows))),
        (family.fused if family is not None else ()) + read_fused(common),
    )


@cache
def words() -> frozenset[str]:
    """Every word an element can have, the text encoders' names among them."""
    common = _common()
    meanings = [meaning for _, meaning in (*common["inside"], *common["parts"])]
    meanings += [meaning for row in common["fused"] for meaning, _ in row["parts"]]
    for family in families().values():
        meanings += [meaning for _, meaning in family.elements]
        meanings += [meaning for fused in family.fused for meaning, _ in fused.parts]
    known = {word for meaning in meanings for word in meaning.split(".")}
    return frozenset(known | set(encoder_names()) | {OTHER})


def matches(element: str, word: str) -> bool:
    """Whether the words of `word` are in the path `element`, in this order; `attn` is in attn1 and attn2."""
    return _searching(word).search(element) is not None


@lru_cache(maxsize=1024)
def _searching(word: str) -> re.Pattern[str]:
    between = r"\d*\.(?:.*\.)?"
    return re.compile(rf"(?:^|\.){between.join(map(re.escape, word.split('.')))}\d*(?:\.|$)")


@cache
def _common() -> Any:
    return data_beside("elements.json")
