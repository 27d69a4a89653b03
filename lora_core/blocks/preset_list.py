"""The presets that mean something in a family, to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import BadBlockText
from .block_weights import read_block_weights
from .families import ModelBlocks
from .vectors import element_groups, is_of_family, presets


@dataclass(frozen=True)
class Choice:
    """A preset's name, where it is from, and whether it is of elements or of whole blocks."""

    name: str
    source: str
    is_of_elements: bool


def fitting_presets(family: ModelBlocks) -> tuple[Choice, ...]:
    """The presets that mean something in a family, those made for it first."""
    return tuple(choice for choice in _choices(family.name) if _fits(choice.name, family))


def _choices(family: str) -> Iterator[Choice]:
    for one in sorted(presets().values(), key=lambda one: not is_of_family(one, family)):
        yield Choice(one.name, one.source, False)
    for group in element_groups():
        for name in group["presets"]:
            yield Choice(name, group["source"], True)


def _fits(name: str, family: ModelBlocks) -> bool:
    try:
        read_block_weights(name).at(family)
    except BadBlockText:
        return False
    return True
