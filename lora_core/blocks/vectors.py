"""Vectors and presets: what the numbers of a list mean in a model, from the records of families."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ..families import Preset, VectorReading, families


def readings() -> Iterator[VectorReading]:
    """Every meaning of a vector."""
    return (reading for family in families().values() for reading in family.readings)


@cache
def lengths() -> frozenset[int]:
    """Every length a vector can have."""
    return frozenset(reading.length for reading in readings())


def readings_for(family: str, blocks: Sequence[str], any_family: bool = False) -> dict[int, VectorReading]:
    """Length → meaning in a model of the family of an id that has `blocks`."""
    if any_family:
        return {one.length: one for one in readings()}
    counts = Counter(block.rstrip("0123456789") for block in blocks)
    known = families()[family].readings if family in families() else ()
    return {one.length: one for one in known if one.fits(counts)}


def preset(name: str) -> Preset | None:
    """The vector of this name in any case; None where there is none."""
    return presets().get(name.upper())


@cache
def presets() -> dict[str, Preset]:
    """Every named vector, by its name in upper case."""
    return {one.name.upper(): one for family in families().values() for one in family.presets}


def is_of_family(preset: Preset, family: str) -> bool:
    """Whether a preset was made for the family of an id."""
    return family in families() and preset in families()[family].presets


def element_preset(name: str) -> str | None:
    """The element weights of this name in any case, as a text; None where there are none."""
    return _element_presets().get(name.upper())


@cache
def element_groups() -> Any:
    """The named element weights, by where they are from."""
    return json.loads(Path(__file__).with_name("presets.json").read_text(encoding="utf-8"))["elements"]


@cache
def _element_presets() -> dict[str, str]:
    return {name.upper(): text for group in element_groups() for name, text in group["presets"].items()}


def preset_names(like: str) -> list[str]:
    """The names nearest to one that is none."""
    known = [*presets(), *_element_presets()]
    return [presets()[n].name if n in presets() else n for n in get_close_matches(like.upper(), known)]
