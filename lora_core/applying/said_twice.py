"""Layers of one file that mean the same weight.

Some tools write a layer under two names: Z-Image's `qkv` beside `to_q`, `to_k` and `to_v`. Such a weight is
changed once. Of two layers that change a weight in the same way the one that covers more of it counts, or
changes it in more ways, else the first in the file. A second kind of change (a `diff` beside a LoRA) adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from ..adapters import Adapter, product_energy
from ..key_maps import Target, encoder_number
from ..reading import Lora

_SAME = 1e-3  # of the length of the change: what rounding to half precision leaves


@dataclass(frozen=True)
class Repeat:
    """A layer left out because another one says the same of its weight."""

    layer: str
    counts: str  # the layer that is applied
    is_same: bool | None  # whether their values are; None where that was not looked at


def repeats(lora: Lora, layers: Mapping[str, Target]) -> Iterator[Repeat]:
    """The layers to leave out of those that were found in a model."""
    by_key: dict[str, list[str]] = {}
    for layer, target in layers.items():
        by_key.setdefault(target.key, []).append(layer)
    for names in by_key.values():
        if len(names) > 1:
            yield from _among(lora, names, layers)


def _among(lora: Lora, names: Sequence[str], layers: Mapping[str, Target]) -> Iterator[Repeat]:
    counting: list[str] = []
    for layer in sorted(names, key=lambda name: (-_length(layers[name]), -len(lora.layers[name]))):
        kinds = {adapter.kind for adapter in lora.layers[layer]}
        known = next(
            (
                other
                for other in counting
                if _overlap(layers[layer], layers[other])
                and kinds <= {adapter.kind for adapter in lora.layers[other]}
            ),
            None,
        )
        if known is None:
            counting.append(layer)
        else:
            yield Repeat(layer, known, _is_same(lora, layer, known, layers))


def _length(target: Target) -> float:
    return float("inf") if target.offset is None else target.offset[2]


def _overlap(first: Target, second: Target) -> bool:
    if first.offset is None or second.offset is None:
        return True
    (along, start, length), (other, begin, count) = first.offset, second.offset
    return along != other or (start < begin + count and begin < start + length)


def _is_same(lora: Lora, layer: str, counts: str, layers: Mapping[str, Target]) -> bool | None:
    """Whether what a layer changes is what the one that counts changes there."""
    (mine, *more), (other, *others) = lora.layers[layer], lora.layers[counts]
    place = layers[layer].offset
    if more or others or layers[layer].function is not layers[counts].function:
        return None
    if layers[counts].offset == place:
        place = None
    elif layers[counts].offset is not None:
        return None
    return _have_same_values(mine, other, place)


def _have_same_values(mine: Adapter, other: Adapter, place: tuple[int, int, int] | None) -> bool | None:
    if mine.rank is None or (mine.product_rank, other.product_rank) != (mine.rank, other.rank):
        return None  # no plain LoRAs
    if place is not None and place[0] != 0:
        return None
    one, whole = mine.factors(), other.factors()
    if one.up.is_meta or whole.up.is_meta:
        return None
    rows = whole.up if place is None else whole.up.narrow(0, *place[1:])
    up = torch.cat([one.up.double() * one.scale, rows.double() * -whole.scale], dim=1)
    down = torch.cat([one.down.double(), whole.down.double()])
    change = product_energy(up[:, : one.rank], down[: one.rank])
    return product_energy(up, down) <= _SAME**2 * change


def of_another_encoder(layers: Mapping[str, Target], fitting: Mapping[str, bool]) -> frozenset[str]:
    """The layers of text encoders that are not there.

    Of several encoders of a file that would be put onto the same weights, the one with more layers that fit
    has them, else the first.
    """
    numbers: dict[int, list[str]] = {}
    for layer in layers:
        if (number := encoder_number(layer)) is not None:
            numbers.setdefault(number, []).append(layer)
    taken: dict[str, int] = {}
    strangers: set[str] = set()
    for number in sorted(
        numbers, key=lambda number: (-sum(fitting[name] for name in numbers[number]), number)
    ):
        keys = {layers[name].key for name in numbers[number]}
        if any(taken.get(key, number) != number for key in keys):
            strangers.update(numbers[number])
        else:
            taken.update(dict.fromkeys(keys, number))
    return frozenset(strangers)
