"""From several LoRAs to one patch per weight.

The host applies N LoRAs to a weight one after another: N products and N full-size temporaries. All plain
LoRAs of a run are one product, W += [s₁c₁U₁ … sₙcₙUₙ] · [D₁; …; Dₙ], so their factors are concatenated once
and a changed strength or block weight only changes the numbers that scale the rows of D.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ..adapters import Adapter, InParts, LowRank, LowRankRun, join
from ..blocks import Apart, Weight, within
from ..errors import CannotMerge
from ..key_maps import Target
from .matching import Foreign, Match

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Step:
    """One of our adapters at a strength. A run of plain LoRAs has its strengths inside, and 1 here."""

    target: Target
    adapter: Adapter
    strength: float


@dataclass(frozen=True, eq=False)
class ForeignStep:
    """A patch of the host's own adapters, at its place in the order."""

    target: Target
    adapter: Foreign
    strength: float


def step(target: Target, adapter: Adapter | Foreign, strength: float) -> Step | ForeignStep:
    """An adapter at a strength."""
    if isinstance(adapter, Foreign):
        return ForeignStep(target, adapter, strength)
    return Step(target, adapter, strength)


def take_steps(weight: Tensor, steps: Iterable[Step]) -> Tensor:
    """`weight` after the steps in their order, in its dtype: changed in place, unless one makes it grow."""
    for one in steps:
        part = weight if one.target.offset is None else weight.narrow(*one.target.offset)
        result = one.adapter.apply(part, one.strength, weight.dtype, one.target.function)
        if result.shape != part.shape:
            weight = result  # `match` lets only a whole weight grow
        elif result.data_ptr() != part.data_ptr():
            part.copy_(result)
    return weight


@dataclass(frozen=True, eq=False)
class _FusedRun:
    """Concatenated factors of plain LoRAs, strengths left out."""

    target: Target
    up: Tensor
    down: Tensor
    parts: tuple[tuple[int, int, float], ...]  # index of the LoRA in the stack, rank, alpha / rank

    def at(self, strengths: Sequence[Weight | None]) -> Iterator[Step]:
        mine = [_within(strengths[index], self.target) for index, _, _ in self.parts]
        apart = next((strength for strength in mine if isinstance(strength, Apart)), None)
        if apart is None:
            if any(strength is not None for strength in mine):
                yield Step(self.target, self._scaled(mine), 1.0)
            return
        for number, (place, _) in enumerate(apart.parts):
            run = self._scaled([_number(strength, number) for strength in mine])
            if run.scales.any():
                target = self.target.part(place)
                if target is not None:
                    yield Step(target, run.part(*place), 1.0)
                else:
                    yield Step(self.target, InParts(run, ((*place, 1.0),)), 1.0)

    def _scaled(self, strengths: Sequence[Weight | None]) -> LowRankRun:
        numbers: list[float] = []
        for strength, (_, rank, scale) in zip(strengths, self.parts, strict=True):
            assert not isinstance(strength, Apart)
            numbers += [(strength or 0.0) * scale] * rank
        return LowRankRun(self.up, self.down, torch.tensor(numbers, dtype=torch.float32))


@dataclass(frozen=True, eq=False)
class _FusedSingle:
    """An adapter that stands alone."""

    target: Target
    index: int  # of the LoRA in the stack
    adapter: Adapter | Foreign

    def at(self, strengths: Sequence[Weight | None]) -> Iterator[Step | ForeignStep]:
        strength = _within(strengths[self.index], self.target)
        if isinstance(strength, Apart):
            yield Step(self.target, in_parts(self.target, self.adapter, strength), 1.0)
        elif strength is not None:
            yield step(self.target, self.adapter, strength)


def in_parts(target: Target, adapter: Adapter | Foreign, strength: Apart) -> InParts:
    """An adapter at a strength of its own in each part of its weight; where that is 0 it is left out.

    Raises RackError for the two kinds that are only known as a whole.
    """
    if isinstance(adapter, Foreign) or not adapter.can_split:
        raise CannotMerge(
            f"the parts of {target.key} cannot have separate weights for a {adapter.kind}. "
            "Give the parts one weight, such as qkv for q, k and v"
        )
    return InParts(adapter, tuple((*place, number) for place, number in strength.parts if number))


def _within(strength: Weight | None, target: Target) -> Weight | None:
    """The strength in a slice; None where it is left out there."""
    if not isinstance(strength, Apart):
        return strength
    return within(strength, target.offset) or None


def _number(strength: Weight | None, part: int) -> Weight | None:
    """The strength in one of the parts."""
    return strength.parts[part][1] if isinstance(strength, Apart) else strength


@dataclass(frozen=True, eq=False)
class Fused:
    """A stack's factors joined per target. Holds for any strengths and block weights of the same LoRAs in the
    same order.
    """

    # By model key, slices of a weight in one order with it.
    steps: Mapping[str, tuple[_FusedRun | _FusedSingle, ...]]

    @property
    def size(self) -> int:
        """Bytes of memory of its own; a run of one LoRA uses the file's."""
        runs = [step for steps in self.steps.values() for step in steps if isinstance(step, _FusedRun)]
        return sum(run.up.nbytes + run.down.nbytes for run in runs if len(run.parts) > 1)

    def at(
        self, strengths: Sequence[float], weights: Sequence[Mapping[str, Weight] | None] = ()
    ) -> dict[str, list[Step | ForeignStep]]:
        """The steps of every model key in order, for one strength per LoRA of the stack.

        `weights` are the block weights of each LoRA by model key, None where it has none. Where one is 0 the
        LoRA is left out: at strength 0 a change that replaces or rescales a weight still does something.
        """
        weighted = [(index, by_key) for index, by_key in enumerate(weights) if by_key is not None]
        found: dict[str, list[Step | ForeignStep]] = {}
        for key, steps in self.steps.items():
            here: list[Weight | None] = list(strengths)
            for index, by_key in weighted:
                weight = by_key[key]
                here[index] = weight * strengths[index] if weight else None
            made = [step for one in steps for step in one.at(here)]
            if made:
                found[key] = made
        return found


def fuse(matches: Sequence[Match]) -> Fused:
    """Join the LoRAs of a stack, in order, into as few steps per weight as their formulas allow."""
    singles: dict[str, list[_FusedSingle]] = {}
    for index, found in enumerate(matches):
        for layer, target in found.layers.items():
            adapters = found.lora.layers[layer]
            singles.setdefault(target.key, []).extend(_FusedSingle(target, index, a) for a in adapters)
        for target, foreign in found.foreign.items():
            singles.setdefault(target.key, []).append(_FusedSingle(target, index, foreign))
    return Fused({key: tuple(_steps(items)) for key, items in singles.items()})


def _steps(items: Sequence[_FusedSingle]) -> list[_FusedRun | _FusedSingle]:
    """The steps of one weight.

    Plain LoRAs may pass other changes that only add up, never one that depends on the weight. What makes the
    weight grow comes last, so that everything else meets the shape it was made for.
    """
    steps: list[_FusedRun | _FusedSingle] = []
    plain: dict[Target, list[_FusedSingle]] = {}
    growing = [item for item in items if item.adapter.grown_shape is not None]
    for item in items:
        if isinstance(item.adapter, LowRank):
            plain.setdefault(item.target, []).append(item)
        elif item.adapter.grown_shape is None:
            if item.adapter.needs_weight:
                steps += [_run(target, run) for target, run in plain.items()]
                plain = {}
            steps.append(item)
    return steps + [_run(target, run) for target, run in plain.items()] + growing


def _run(target: Target, items: Sequence[_FusedSingle]) -> _FusedRun:
    factors = [item.adapter for item in items if isinstance(item.adapter, LowRank)]
    parts = tuple((item.index, a.rank, a.scale) for item, a in zip(items, factors, strict=True))
    return _FusedRun(target, *join(factors), parts)
