"""Vectors and presets: what the numbers of a list mean in a model, from vectors.json and presets.json."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from .data import table


@dataclass(frozen=True)
class Reading:
    """One meaning of a length: for models of these families, or with so many blocks of each kind."""

    length: int
    cells: tuple[str, ...]  # the blocks a number goes to, as in a text
    families: frozenset[str]
    counts: Mapping[str, int]

    def fits(self, family: str, counts: Mapping[str, int]) -> bool:
        """Whether it is meant for a model of this family with so many blocks of a kind."""
        if self.families:
            return family in self.families
        return all(counts.get(kind) == count for kind, count in self.counts.items())


@dataclass(frozen=True)
class Preset:
    """A named vector; a cell is a number or a letter as in a text."""

    name: str
    cells: tuple[str, ...]
    numbers: tuple[float, ...]  # its cells, if they are numbers all
    families: frozenset[str]  # it is meant for; empty: any that has a meaning for its length


@lru_cache(maxsize=1)
def readings() -> tuple[Reading, ...]:
    """Every meaning of a vector."""
    return tuple(
        Reading(row["length"], tuple(row["cells"]), frozenset(row.get("families", ())), row.get("counts", {}))
        for row in table("vectors")["readings"]
    )


@lru_cache(maxsize=1)
def lengths() -> frozenset[int]:
    """Every length a vector can have."""
    return frozenset(reading.length for reading in readings())


def readings_for(family: str, blocks: Sequence[str], any_family: bool = False) -> dict[int, Reading]:
    """Length → meaning in a model of a family that has `blocks`."""
    counts = Counter(block.rstrip("0123456789") for block in blocks)
    return {one.length: one for one in readings() if any_family or one.fits(family, counts)}


def preset(name: str) -> Preset | None:
    """The vector of this name in any case; None where there is none."""
    return presets().get(name.upper())


@lru_cache(maxsize=1)
def presets() -> dict[str, Preset]:
    """Every named vector, by its name in upper case."""
    found: dict[str, Preset] = {}
    for group in table("presets")["vectors"]:
        families = frozenset(group.get("families", ()))
        for name, text in group["presets"].items():
            cells = tuple(_cells(text))
            numbers = () if re.search("[A-Z]", text) else tuple(map(float, cells))
            found[name.upper()] = Preset(name, cells, numbers, families)
    return found


def element_preset(name: str) -> str | None:
    """The element weights of this name in any case, as a text; None where there are none."""
    return _element_presets().get(name.upper())


@lru_cache(maxsize=1)
def _element_presets() -> dict[str, str]:
    groups = table("presets")["elements"]
    return {name.upper(): text for group in groups for name, text in group["presets"].items()}


def preset_names(like: str) -> list[str]:
    """The names nearest to one that is none."""
    known = [*presets(), *_element_presets()]
    return [presets()[n].name if n in presets() else n for n in get_close_matches(like.upper(), known)]


def _cells(text: str) -> list[str]:
    cells: list[str] = []
    for part in text.split(","):
        value, _, count = part.strip().partition("*")
        cells += [value] * int(count or 1)
    return cells
