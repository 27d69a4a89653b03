"""From several LoRAs to one patch per weight.

The host applies N LoRAs to a weight one after another: N products and N full-size temporaries. All plain
LoRAs of a run are one product, W += [s₁c₁U₁ … sₙcₙUₙ] · [D₁; …; Dₙ], so their factors are concatenated once
and a changed strength only changes the numbers that scale the rows of D.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .adapters import Adapter, Reorder
from .adapters.low_rank import LowRank, LowRankRun, join
from .errors import ShapeMismatch
from .lora import Foreign, LayerAdapter, Lora


@dataclass(frozen=True)
class Target:
    """A model weight, or the slice of it, that a layer name stands for.

    `offset` is (dimension, start, length) of the slice; `function` reorders a weight change before it is
    added. Both are as in the host's key maps (comfy/lora.py).
    """

    key: str
    offset: tuple[int, int, int] | None = None
    function: Reorder | None = None


@dataclass(frozen=True, eq=False)
class KeyMap:
    """Every layer name a model answers to, and the shapes of its weights."""

    targets: Mapping[str, Target]
    shapes: Mapping[str, tuple[int, ...]]

    def shape(self, target: Target) -> tuple[int, ...] | None:
        """Shape of the weight or slice; None where the model does not tell."""
        shape = self.shapes.get(target.key)
        if shape is None or target.offset is None:
            return shape
        dimension, _, length = target.offset
        return (*shape[:dimension], length, *shape[dimension + 1 :])


@dataclass(frozen=True)
class Misfit:
    """A layer that is in the model with another shape."""

    layer: str
    found: tuple[int, ...]  # (out, in · kernel) of the change
    expected: tuple[int, ...]  # of the weight

    def __str__(self) -> str:
        return f"{self.layer} makes a change of {self.found}, the model's weight is {self.expected}"


@dataclass(frozen=True, eq=False)
class Match:
    """The layers of one LoRA that are in one model."""

    lora: Lora
    layers: Mapping[str, Target]
    misfits: tuple[Misfit, ...]

    def require_fit(self) -> None:
        """Raises ShapeMismatch when a layer has another shape than the model's."""
        if self.misfits:
            more = f" (and {len(self.misfits) - 1} layers more)" if len(self.misfits) > 1 else ""
            raise ShapeMismatch(
                f"{self.lora.stamp.path.name}: {self.misfits[0]}{more}. "
                "The LoRA was made for another model; use one made for this model's family"
            )


def match(lora: Lora, key_map: KeyMap) -> Match:
    """Look every layer of a LoRA up in a model's key map."""
    layers: dict[str, Target] = {}
    misfits: list[Misfit] = []
    for name, adapters in lora.layers.items():
        target = key_map.targets.get(name)
        if target is None:
            continue
        misfit = _misfit(name, adapters, key_map.shape(target))
        if misfit is None:
            layers[name] = target
        else:
            misfits.append(misfit)
    return Match(lora, layers, tuple(misfits))


def _misfit(layer: str, adapters: Sequence[LayerAdapter], shape: tuple[int, ...] | None) -> Misfit | None:
    for adapter in adapters:
        change = None if isinstance(adapter, Foreign) else adapter.change_shape
        if change is None or shape is None:
            continue
        if not shape or change != (shape[0], math.prod(shape[1:])):
            return Misfit(layer, change, shape)
    return None


@dataclass(frozen=True, eq=False)
class Step:
    """One of our adapters at a strength. A run of plain LoRAs has its strengths inside, and 1 here."""

    adapter: Adapter
    strength: float


@dataclass(frozen=True, eq=False)
class ForeignStep:
    """A layer left to the host's own adapter, at its place in the order."""

    layer: str
    adapter: Foreign
    strength: float


@dataclass(frozen=True, eq=False)
class _Run:
    """Concatenated factors of plain LoRAs, strengths left out."""

    up: Tensor
    down: Tensor
    parts: tuple[tuple[int, int, float], ...]  # index of the LoRA in the stack, rank, alpha / rank

    def at(self, strengths: Sequence[float]) -> Step:
        numbers: list[float] = []
        for index, rank, scale in self.parts:
            numbers += [strengths[index] * scale] * rank
        return Step(LowRankRun(self.up, self.down, torch.tensor(numbers, dtype=torch.float32)), 1.0)


@dataclass(frozen=True, eq=False)
class _Single:
    """An adapter that stands alone."""

    index: int
    layer: str
    adapter: LayerAdapter

    def at(self, strengths: Sequence[float]) -> Step | ForeignStep:
        strength = strengths[self.index]
        if isinstance(self.adapter, Foreign):
            return ForeignStep(self.layer, self.adapter, strength)
        return Step(self.adapter, strength)


@dataclass(frozen=True, eq=False)
class Fused:
    """A stack's factors joined per target. Holds for any strengths of the same LoRAs in the same order."""

    steps: Mapping[Target, tuple[_Run | _Single, ...]]

    @property
    def size(self) -> int:
        """Bytes of memory of its own; a run of one LoRA uses the file's."""
        runs = [step for steps in self.steps.values() for step in steps if isinstance(step, _Run)]
        return sum(run.up.nbytes + run.down.nbytes for run in runs if len(run.parts) > 1)

    def at(self, strengths: Sequence[float]) -> dict[Target, list[Step | ForeignStep]]:
        """The steps of every target in order, for one strength per LoRA of the stack."""
        return {target: [step.at(strengths) for step in steps] for target, steps in self.steps.items()}


def fuse(matches: Sequence[Match]) -> Fused:
    """Join the LoRAs of a stack, in order, into as few steps per weight as their formulas allow."""
    singles: dict[Target, list[_Single]] = {}
    for index, found in enumerate(matches):
        for layer, target in found.layers.items():
            adapters = found.lora.layers[layer]
            singles.setdefault(target, []).extend(_Single(index, layer, adapter) for adapter in adapters)
    return Fused({target: tuple(_steps(items)) for target, items in singles.items()})


def _steps(items: Sequence[_Single]) -> list[_Run | _Single]:
    """Plain LoRAs may pass other changes that only add up, never one that depends on the weight."""
    steps: list[_Run | _Single] = []
    plain: list[_Single] = []
    for item in items:
        if isinstance(item.adapter, LowRank):
            plain.append(item)
            continue
        if isinstance(item.adapter, Foreign) or item.adapter.needs_weight:
            steps += _run(plain)
            plain = []
        steps.append(item)
    return steps + _run(plain)


def _run(items: Sequence[_Single]) -> list[_Run]:
    if not items:
        return []
    factors = [item.adapter for item in items if isinstance(item.adapter, LowRank)]
    parts = tuple((item.index, a.rank, a.scale) for item, a in zip(items, factors, strict=True))
    return [_Run(*join(factors), parts)]
