"""The presets that mean something in a family, to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import BadBlockText
from .block_weights import read_block_weights
from .data import table
from .families import ModelBlocks


@dataclass(frozen=True)
class Choice:
    """A preset's name, where it is from, and whether it is of elements or of whole blocks."""

    name: str
    source: str
    is_of_elements: bool


def fitting_presets(family: ModelBlocks) -> tuple[Choice, ...]:
    """The presets of a family, in the order of presets.json."""
    return tuple(choice for choice in _choices() if _fits(choice.name, family))


def _choices() -> Iterator[Choice]:
    for kind in ("vectors", "elements"):
        for group in table("presets")[kind]:
            for name in group["presets"]:
                yield Choice(name, group["source"], kind == "elements")


def _fits(name: str, family: ModelBlocks) -> bool:
    try:
        read_block_weights(name).at(family)
    except BadBlockText:
        return False
    return True
