"""The part of a block a weight belongs to, as a path of words: `attn2.k`, `img.ff.up`, `res.conv`.

elements.json says which words the components of a model key mean. A path holds every part it is in, so that
a word anywhere in it addresses the weight.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from .data import table

OTHER = "other"


def bare(path: str) -> str:
    """A key without its last part, which only says that it is a weight or a bias."""
    return re.sub(r"\.(?:weight|bias)$", "", path)


def element_of(path: str) -> str:
    """The element of a model key, given without the model's prefix; `other` where nothing is known."""
    path = bare(path)
    inside, parts = _patterns()
    words: list[str] = []
    position = 0
    while position < len(path):
        if found := inside.match(path, position):
            words += _meaning(found)
            position = found.end()
            continue
        if found := parts.match(path, position):
            words += _meaning(found)
            position = found.end()
        position = path.find(".", position) + 1 or len(path)
    kept = [word for place, word in enumerate(words) if place == 0 or words[place - 1] != word]
    return ".".join(kept) or OTHER


class FusedPart(NamedTuple):
    """Some rows (along 0) or columns (along 1) of a weight, and the words that tell them from the others."""

    along: int
    start: int
    length: int
    words: str


def parts_of(path: str, shape: tuple[int, ...]) -> tuple[FusedPart, ...]:
    """The parts of a weight, (out, in), that is several in one; empty for any other."""
    row = next((row for pattern, row in _fused() if pattern.search(path)), None)
    if row is None or len(shape) != 2:
        return ()
    along, parts = row["along"], row["parts"]
    known = {"out": shape[0], "in": shape[1]}
    shares = [size for _, size in parts if size == "rest"]
    share, left = divmod(shape[along] - sum(known.get(size, 0) for _, size in parts), len(shares))
    if share <= 0 or left:
        return ()
    found: list[FusedPart] = []
    start = 0
    for meaning, size in parts:
        found.append(FusedPart(along, start, known.get(size, share), meaning))
        start += found[-1].length
    return tuple(found)


@lru_cache(maxsize=1)
def _fused() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [(re.compile(rf"(?:^|\.)(?:{row['keys']})$"), row) for row in table("elements")["fused"]]


@lru_cache(maxsize=1)
def words() -> frozenset[str]:
    """Every word an element can have, the text encoders' names among them."""
    rows = [*table("elements")["inside"], *table("elements")["parts"]]
    meanings = [meaning for _, meaning in rows]
    meanings += [meaning for row in table("elements")["fused"] for meaning, _ in row["parts"]]
    known = {word for meaning in meanings for word in meaning.split(".")}
    return frozenset(known | set(table("elements")["encoders"]) | {OTHER})


def matches(element: str, word: str) -> bool:
    """Whether the words of `word` are in the path `element`, in this order; `attn` is in attn1 and attn2."""
    return _searching(word).search(element) is not None


@lru_cache(maxsize=1024)
def _searching(word: str) -> re.Pattern[str]:
    between = r"\d*\.(?:.*\.)?"
    return re.compile(rf"(?:^|\.){between.join(map(re.escape, word.split('.')))}\d*(?:\.|$)")


def _meaning(found: re.Match[str]) -> list[str]:
    return _meanings()[found.lastindex or 0]


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """All of `inside`, and all of `parts`, as one pattern each with a group a row."""
    rows = table("elements")
    inside = "|".join(f"({pattern})" for pattern, _ in rows["inside"])
    filled = [p.replace("@UP", rows["up"]).replace("@DOWN", rows["down"]) for p, _ in rows["parts"]]
    before = len(rows["inside"])
    # Empty groups in front give a row the same number in both patterns.
    parts = "()" * before + "(?:" + "|".join(f"({pattern})" for pattern in filled) + r")(?=\.|$)"
    return re.compile(inside), re.compile(parts)


@lru_cache(maxsize=1)
def _meanings() -> list[list[str]]:
    rows = [*table("elements")["inside"], *table("elements")["parts"]]
    return [[], *(meaning.split(".") for _, meaning in rows)]
