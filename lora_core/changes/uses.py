"""A layer of a LoRA at its place in a stack and in a model, and the steps that several of them make."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..applying import ForeignStep, Match, Step, fuse
from ..blocks import Weight, within
from ..key_maps import Target
from ..reading import Lora


@dataclass(frozen=True, eq=False)
class LayerUse:
    """One layer of one LoRA, and the weight it changes."""

    row: int  # of the LoRA in the stack
    layer: str
    target: Target
    strength: float
    weight: Weight  # of its block


def layer_uses(
    row: int, strength: float, layers: Mapping[str, Target], weights: Mapping[str, Weight] | None
) -> Iterator[LayerUse]:
    """The layers of a LoRA that change something. `weights` are those of blocks by key, None: all are 1."""
    for layer, target in layers.items():
        weight = 1.0 if weights is None else weights[target.key]
        if strength and within(weight, target.offset):
            yield LayerUse(row, layer, target, strength, weight)


def steps_of(
    uses: Sequence[LayerUse], read: Callable[[int, Collection[str]], Lora]
) -> list[Step | ForeignStep]:
    """What uses of one weight do to it, in the order of the stack; `read` gives layers of a row's file."""
    matches: list[Match] = []
    strengths: list[float] = []
    weights: list[Mapping[str, Weight]] = []
    for row in dict.fromkeys(use.row for use in uses):
        mine = [use for use in uses if use.row == row]
        layers = {use.layer: use.target for use in mine}
        matches.append(Match(read(row, layers), layers, ()))
        strengths.append(mine[0].strength)
        weights.append({mine[0].target.key: mine[0].weight})
    return [step for steps in fuse(matches).at(strengths, weights).values() for step in steps]
