"""Which block, and which part of it, a weight is: by its key alone, for every model the host loads.

The records of families have their blocks; generic.py finds those of any other model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from ..families import Elements, Family, elements_of, encoder_rules, find_family, find_version
from .apart import Slice
from .generic import find_blocks
from .ids import BlockId, is_of_text_encoder, read_id

PREFIX = "diffusion_model."
# Some encoders stand without the name the host gives them; all have a table of words.
_OF_ENCODER = re.compile(r"\.transformer\.|(?:^|\.)embed_tokens\.weight$")
OTHER = "OTHER"


class Place(NamedTuple):
    """The block a weight is in, by its absolute id, and its part of the block, as a path of words."""

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

    name: str  # the family's id; "text_encoder" or "generic" where it has no record
    title: str
    rules: tuple[Rule, ...]  # in the model's order
    is_text_encoder: bool = False
    prefix: str = ""  # of every key that is in a block
    elements: Elements = field(default_factory=lambda: elements_of(None), repr=False)
    present: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)  # of its weights, by key
    _places: dict[str, Place] = field(default_factory=dict, repr=False)
    _blocks: dict[str, str] = field(default_factory=dict, repr=False)  # found so far, by key
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
        found = self.elements.parts_of(bare(key[len(self.prefix) :]), shape)
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
        ids = {self._blocks.get(key) or self._block(key) for key in keys}
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

    def _block(self, key: str) -> str:
        block = OTHER
        if key.startswith(self.prefix):
            path = key[len(self.prefix) :]
            block = next((found for rule in self.rules if (found := rule.find(path))), OTHER)
        self._blocks[key] = block
        return block

    def _find(self, key: str) -> Place:
        path = key.removeprefix(self.prefix)
        element = self.elements.of(bare(path))
        if self.is_text_encoder:
            element = f"{path.partition('.')[0]}.{element}"
        return Place(self._block(key), element)


def blocks_of_model(shapes: Mapping[str, tuple[int, ...]]) -> ModelBlocks:
    """The family of a diffusion model or of text encoders, from the shapes of all weights by their keys.

    A model's keys may begin with `diffusion_model.`, text encoders' with the host's names for them.
    """
    prefix = PREFIX if any(key.startswith(PREFIX) for key in shapes) else ""
    inside = {key[len(prefix) :]: shape for key, shape in shapes.items() if key.startswith(prefix)}
    known = find_family(inside)
    if known is not None:
        version = find_version(known, inside)
        family = _of_record(version, prefix)
    elif not prefix and any(_OF_ENCODER.search(key) for key in inside):
        rules = tuple(Rule(pattern, id) for pattern, id in encoder_rules())
        family = ModelBlocks("text_encoder", "text encoder", rules, is_text_encoder=True)
    else:
        family = ModelBlocks("generic", "unknown model", _generic_rules(inside), prefix=prefix)
    return replace(family, present=family.blocks(shapes), shapes=shapes)


def blocks_without_model(known: Family | None, keys: Iterable[str]) -> ModelBlocks:
    """The family of a model of which only some keys are known; by the generic rule where `known` is None."""
    if known is None:
        return blocks_of_model({key: () for key in keys})
    return _of_record(known, PREFIX)


def bare(path: str) -> str:
    """A key without its last part, which only says that it is a weight or a bias."""
    return path.removesuffix(".weight") if path.endswith(".weight") else path.removesuffix(".bias")


def _of_record(known: Family, prefix: str) -> ModelBlocks:
    rules = tuple(Rule(pattern, id) for pattern, id in known.blocks)
    return ModelBlocks(known.id, known.title, rules, prefix=prefix, elements=elements_of(known))


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
