"""Which block, and which part of it, a weight is: by its key alone, for every model the host loads.

families.json has the blocks of the families the host knows; generic.py finds those of any other model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

from ..key_maps import Family as Known
from ..key_maps import describe, find_family
from .apart import Slice
from .data import table
from .elements import bare, element_of, parts_of
from .generic import find_blocks
from .ids import BlockId, is_of_text_encoder, read_id

PREFIX = "diffusion_model."
OTHER = "OTHER"


class Place(NamedTuple):
    """The block a weight is in, by its absolute id, and its part of the block, as in elements.py."""

    block: str
    element: str


class WeightPart(NamedTuple):
    """A part of a weight that is several in one, such as q, k and v above each other."""

    slice: Slice
    place: Place


@dataclass(frozen=True)
class Rule:
    """A kind of block: the keys in it, their prefix left out, and its id; its numbers are the groups."""

    pattern: re.Pattern[str]
    id: str

    def find(self, path: str) -> str | None:
        """The id of the block of a key; None where it is of another kind."""
        found = self.pattern.match(path)
        if found is None:
            return None
        *levels, number = found.groups() or (None,)
        if number is None:
            return self.id
        return str(BlockId("".join((self.id, *(f"{level}." for level in levels))), int(number)))


@dataclass(frozen=True, eq=False)
class ModelBlocks:
    """The blocks of one model, or of the text encoders of one."""

    name: str  # as in families.json in lower case; "sd1", "sd2", "sdxl", … for a UNet
    title: str
    rules: tuple[Rule, ...]  # in the model's order
    is_text_encoder: bool = False
    prefix: str = ""  # of every key that is in a block
    present: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)  # of its weights, by key
    _places: dict[str, Place] = field(default_factory=dict, repr=False)
    _ranks: dict[str, int] = field(default_factory=dict, repr=False)

    def place(self, key: str) -> Place:
        """The block and the element of a model key."""
        known = self._places.get(key)
        if known is None:
            known = self._places[key] = self._find(key)
        return known

    def parts(self, key: str) -> tuple[WeightPart, ...]:
        """What a weight or bias is several of in one; empty where it is one, or its shape is not known.

        How an unknown model lays them out nobody can tell.
        """
        weight = f"{bare(key)}.weight"
        shape = self.shapes.get(weight, ())
        if self.name == "generic" or not shape or not key.startswith(self.prefix):
            return ()
        block, element = self.place(key)
        found = parts_of(bare(key[len(self.prefix) :]), shape)
        return tuple(
            WeightPart((part.along, part.start, part.length), Place(block, f"{element}.{part.words}"))
            for part in found
            if part.along == 0 or key == weight  # a bias has no columns
        )

    @cached_property
    def places(self) -> frozenset[Place]:
        """Every place a weight of the model has, or a part of it; empty where its weights are not known."""
        parts = (part.place for key in self.shapes for part in self.parts(key))
        return frozenset((*map(self.place, self.shapes), *parts))

    def blocks(self, keys: Iterable[str]) -> tuple[str, ...]:
        """The ids of the blocks that `keys` are in, in the model's order."""
        ids = {self.place(key).block for key in keys}
        return tuple(sorted(ids, key=lambda id: self.rank(_id(id)) or (len(self.rules),)))

    def rank(self, block: BlockId) -> tuple[int, ...] | None:
        """Where a block stands in the model's order; None for a kind the model does not have.

        The text encoders' come before all blocks of a model.
        """
        if not self.is_text_encoder and is_of_text_encoder(block):
            return (-1, 0)
        if not self._ranks:
            self._ranks.update({_id(rule.id).prefix: n for n, rule in reversed([*enumerate(self.rules)])})
        number = -1 if block.number is None else block.number
        if block.prefix in self._ranks:
            return (self._ranks[block.prefix], number)
        kind, level = _split(block)
        return (self._ranks[kind], level, number) if kind in self._ranks else None

    def _find(self, key: str) -> Place:
        if not key.startswith(self.prefix):
            return Place(OTHER, element_of(key))
        path = key[len(self.prefix) :]
        block = next((found for rule in self.rules if (found := rule.find(path))), OTHER)
        element = element_of(path)
        if self.is_text_encoder:
            element = f"{path.partition('.')[0]}.{element}"
        return Place(block, element)


def blocks_of_model(shapes: Mapping[str, tuple[int, ...]]) -> ModelBlocks:
    """The family of a diffusion model or of text encoders, from the shapes of all weights by their keys.

    A model's keys may begin with `diffusion_model.`, text encoders' with the host's names for them.
    """
    prefix = PREFIX if any(key.startswith(PREFIX) for key in shapes) else ""
    bare = {key[len(prefix) :]: shape for key, shape in shapes.items() if key.startswith(prefix)}
    known = find_family(bare)
    if known is not None:
        # Packed weights do not show their shape.
        name, title = _name(known, {key: shape for key, shape in bare.items() if len(shape) > 1})
        rules = _rules(known.name)
        is_text_encoder = False
    else:
        is_text_encoder = not prefix and any(".transformer." in key for key in bare)
        name, title = ("text_encoder", "text encoder") if is_text_encoder else ("generic", "unknown model")
        rules = _rules("text_encoders") if is_text_encoder else _generic_rules(bare)
    family = ModelBlocks(name, title, rules, is_text_encoder, prefix)
    return ModelBlocks(name, title, rules, is_text_encoder, prefix, family.blocks(shapes), shapes)


def blocks_without_model(known: Known | None, title: str, keys: Iterable[str]) -> ModelBlocks:
    """The family of a model of which only some keys are known; by the generic rule where `known` is None."""
    if known is None:
        return blocks_of_model({key: () for key in keys})
    return ModelBlocks(known.name.lower(), title, _rules(known.name), prefix=PREFIX)


def _name(known: Known, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, str]:
    title = describe(known, shapes)
    names = {
        "Stable Diffusion 1": "sd1",
        "Stable Diffusion 2": "sd2",
        "SDXL": "sdxl",
        "SDXL refiner": "sdxl_refiner",
        "Stable Video Diffusion": "svd",
    }
    return names.get(title, known.name.lower()), title


@cache
def _rules(name: str) -> tuple[Rule, ...]:
    data = table("families")
    name = data["same"].get(name, name)
    rows = data["text_encoders"] if name == "text_encoders" else data["families"][name]
    return tuple(Rule(re.compile(pattern), id) for pattern, id in rows)


def _generic_rules(keys: Iterable[str]) -> tuple[Rule, ...]:
    return tuple(Rule(re.compile(pattern), id) for pattern, id in find_blocks(keys))


def _id(text: str) -> BlockId:
    """An id of a rule; what is no id of a block, such as `T5.`, is all prefix."""
    return read_id(text) or BlockId(text)


def _split(block: BlockId) -> tuple[str, int]:
    """`DN0.` is level 0 of the kind `DN`."""
    kind = block.prefix.rstrip("0123456789.")
    level = block.prefix[len(kind) :].rstrip(".")
    return kind, int(level) if level else 0
