"""Where in a model a LoRA works: the energy of its change, ‖ΔW‖², by block and element.

Of plain low-rank layers it follows from the factors, ‖U·D‖² = tr((UᵀU)(DDᵀ)), and of Kronecker products from
their halves; a change that depends on the weight takes the model. All at strength 1, scales included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import prod, sqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..adapters import Adapter, Difference, LoKr, LowRank
from ..blocks import ModelBlocks, Place, blocks_of_model, blocks_without_model
from ..key_maps import Family as Known
from ..key_maps import FileFamily, Target, is_text_encoder, likely_key, unet_version
from ..reading import Lora

Weights = Callable[[Target], "Tensor | None"]
"""The weight of a target, or the slice of it, in any float dtype; None where it cannot be seen."""


@dataclass(frozen=True)
class Energy:
    """Of one part of a model."""

    block: str
    element: str  # empty for a whole block
    layers: int
    energy: float  # ‖ΔW‖²
    share: float  # of the file's whole energy, 0 to 1
    weight_energy: float | None  # ‖W‖² of the weights changed, None where one is not known

    @property
    def relative(self) -> float | None:
        """‖ΔW‖ / ‖W‖ over the weights changed."""
        return sqrt(self.energy / self.weight_energy) if self.weight_energy else None

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "relative": self.relative}


@dataclass(frozen=True)
class Spectrum:
    """The energy of a LoRA by block and element, in the model's order, and what could not be measured."""

    family: str
    parts: tuple[Energy, ...]
    has_model: bool
    needs_weight: Mapping[str, int] = field(default_factory=dict)  # kind → layers, where W is not known
    unmatched: int = 0  # layers the model and the text encoder do not have

    @property
    def size(self) -> int:
        """Bytes, roughly, for a cache."""
        return 256 * len(self.parts)

    @property
    def blocks(self) -> tuple[Energy, ...]:
        """Whole blocks, in the model's order."""
        return _together(self.parts, lambda part: (part.block, ""))

    @property
    def elements(self) -> tuple[Energy, ...]:
        """Elements over all blocks, the strongest first; `block` is empty."""
        found = _together(self.parts, lambda part: ("", part.element))
        return tuple(sorted(found, key=lambda part: -part.energy))

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "family": self.family,
            "has_model": self.has_model,
            "parts": [part.as_json() for part in self.parts],
            "blocks": [part.as_json() for part in self.blocks],
            "needs_weight": dict(self.needs_weight),
            "unmatched": self.unmatched,
        }


class Side(NamedTuple):
    """The connected model, or its text encoder: where a LoRA's layers are in it, and the weights there."""

    layers: Mapping[str, Target]
    family: ModelBlocks
    weights: Weights


class Placed(NamedTuple):
    """A weight that a LoRA changes, where it is, and the layers that change it."""

    target: Target
    place: Place
    layers: tuple[str, ...]


@dataclass
class _Sum:
    """Sums over the weights of one place."""

    layers: int = 0
    change: float = 0.0
    weight: float = 0.0
    has_weight: bool = True


def measure_on(lora: Lora, sides: Sequence[Side]) -> Spectrum:
    """The spectrum of a LoRA on what is connected; layers that neither side has are counted."""
    placed = [(item, side.weights) for side in sides for item in _place(side.layers, side.family)]
    return _measure(lora, placed, " and ".join(side.family.title for side in sides), has_model=True)


def measure_alone(lora: Lora, made_for: FileFamily) -> Spectrum:
    """The spectrum of a LoRA by its names alone: blocks are those of the family it seems to be made for."""
    title = made_for.names[0] if made_for.names else ""
    known = next((known for known in Known if known.value == title), None)
    if known is None and title in _UNETS:
        known = Known.UNET
    keys = {layer: Target(likely_key(layer, known)) for layer in lora.layers}
    text = {layer: target for layer, target in keys.items() if is_text_encoder(layer)}
    rest = {layer: target for layer, target in keys.items() if layer not in text}
    placed = _place_each(text, blocks_of_model({target.key: () for target in text.values()})) if text else []
    if rest:
        family = blocks_without_model(known, title, (target.key for target in rest.values()))
        placed += _place_each(rest, family)
    return _measure(lora, [(item, None) for item in placed], str(made_for), has_model=False)


_UNETS = frozenset(filter(None, map(unet_version, (768, 1024, 1280, 2048))))


def _place(layers: Mapping[str, Target], family: ModelBlocks) -> list[Placed]:
    """Layers by the weight they change, in the order of the model's blocks."""
    by_target: dict[Target, list[str]] = {}
    for layer, target in layers.items():
        by_target.setdefault(target, []).append(layer)
    return _in_order([Placed(t, family.place(t.key), tuple(names)) for t, names in by_target.items()], family)


def _place_each(layers: Mapping[str, Target], family: ModelBlocks) -> list[Placed]:
    """Every layer alone: slices of one weight cannot be told apart without the model."""
    return _in_order([Placed(t, family.place(t.key), (layer,)) for layer, t in layers.items()], family)


def _in_order(placed: Sequence[Placed], family: ModelBlocks) -> list[Placed]:
    blocks = family.blocks(item.target.key for item in placed)
    order = {block: number for number, block in enumerate(blocks)}
    return sorted(placed, key=lambda item: order[item.place.block])


def _measure(
    lora: Lora, placed: Iterable[tuple[Placed, Weights | None]], family: str, has_model: bool
) -> Spectrum:
    sums: dict[Place, _Sum] = {}
    needs_weight = Counter[str]()
    seen: set[str] = set()
    for item, weights in placed:
        seen.update(item.layers)
        adapters = [adapter for layer in item.layers for adapter in lora.layers[layer]]
        weight = weights(item.target) if weights is not None else None
        change = change_energy(adapters, weight, item.target)
        if change is None:
            needs_weight.update(adapter.kind for adapter in adapters if adapter.needs_weight)
            continue
        into = sums.setdefault(item.place, _Sum())
        into.layers += len(item.layers)
        into.change += change
        if weight is None:
            into.has_weight = False
        else:
            into.weight += _energy(weight)
    whole = sum(found.change for found in sums.values())
    parts = tuple(_part(place, found, whole) for place, found in sums.items())
    unmatched = sum(layer not in seen for layer in lora.layers)
    return Spectrum(family, parts, has_model, dict(needs_weight), unmatched)


def _part(place: Place, found: _Sum, whole: float) -> Energy:
    share = found.change / whole if whole else 0.0
    weight = found.weight if found.has_weight else None
    return Energy(place.block, place.element, found.layers, found.change, share, weight)


def change_energy(
    adapters: Sequence[Adapter], weight: Tensor | None = None, target: Target | None = None
) -> float | None:
    """‖ΔW‖² of the adapters of one weight at strength 1, or None where it depends on a weight not given."""
    if weight is None and any(adapter.needs_weight for adapter in adapters):
        return None
    if len(adapters) == 1 and (known := _from_factors(adapters[0])) is not None:
        return known
    if weight is None:
        shapes = {adapter.change_shape for adapter in adapters}
        assert len(shapes) == 1, "additive changes of one weight have its shape"
        shape = shapes.pop()
        assert shape is not None, "an additive change knows its shape"
        weight = torch.zeros(shape)
    reorder = target.function if target is not None else None
    before = weight.to(torch.float32, copy=True)
    after = before.clone()
    for adapter in adapters:
        after = adapter.apply(after, 1.0, torch.float32, reorder)
    if after.shape != before.shape:
        # Grown with zeros: what was not there before is all change.
        after[tuple(slice(size) for size in before.shape)] -= before
        return _energy(after)
    return _energy(after.sub_(before))


def _from_factors(adapter: Adapter) -> float | None:
    if isinstance(adapter, LowRank):
        return adapter.scale**2 * _product_energy(adapter.up.flatten(1), adapter.down.flatten(1))
    if isinstance(adapter, LoKr):
        halves = ((adapter.left, adapter.left_b), (adapter.right, adapter.right_b))
        energies = [_energy(a) if b is None else _product_energy(a, b) for a, b in halves]
        return adapter.scale**2 * prod(energies)
    if isinstance(adapter, Difference):
        return adapter.scale**2 * _energy(adapter.difference)
    return None


def _product_energy(up: Tensor, down: Tensor) -> float:
    """‖up @ down‖² = Σ (upᵀup) ∘ (down·downᵀ), in numbers of rank², not of the weight."""
    up, down = up.float(), down.float()
    if up.shape[1] >= min(up.shape[0], down.shape[1]):
        return _energy(torch.mm(up, down))
    inner = torch.mm(up.T, up).double().mul_(torch.mm(down, down.T).double())
    return max(float(inner.sum()), 0.0)  # rounding may leave a product of nothing below 0


def _energy(tensor: Tensor) -> float:
    """The sum of squares, in double precision a row at a time."""
    rows: Tensor = torch.linalg.vector_norm(tensor.float().reshape(tensor.shape[0] or 1, -1), dim=1)
    return float(rows.double().square().sum())


def _together(parts: Iterable[Energy], key: Callable[[Energy], tuple[str, str]]) -> tuple[Energy, ...]:
    """Parts summed up under a common key, in the order of their first."""
    groups: dict[tuple[str, str], list[Energy]] = {}
    for part in parts:
        groups.setdefault(key(part), []).append(part)
    summed = []
    for (block, element), group in groups.items():
        weights = [part.weight_energy for part in group if part.weight_energy is not None]
        summed.append(
            Energy(
                block,
                element,
                sum(part.layers for part in group),
                sum(part.energy for part in group),
                sum(part.share for part in group),
                sum(weights) if len(weights) == len(group) else None,
            )
        )
    return tuple(summed)
