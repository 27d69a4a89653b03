"""Where in a model a LoRA works: the energy of its change, ‖ΔW‖², by block and element.

A change that depends on the weight takes the model. All at strength 1, scales included; change_energy.py
says how one weight's is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

from ..adapters import energy
from ..blocks import ModelBlocks, Place, blocks_of_model, blocks_without_model
from ..errors import BrokenFile
from ..families import families
from ..key_maps import FileFamily, Target, is_text_encoder, likely_key
from ..reading import Lora, whole_name
from .change_energy import BEYOND_NUMBERS, change_energy

_REMEDY = "Train or save the LoRA again"

if TYPE_CHECKING:
    from torch import Tensor

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
    """The connected model, or its text encoder: where a LoRA's layers are in it, and the weights there.

    `repeats` are layers that are left out because another one says the same of their weight.
    """

    layers: Mapping[str, Target]
    family: ModelBlocks
    weights: Weights
    repeats: frozenset[str] = frozenset()


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
    known = {name for side in sides for name in (*side.layers, *side.repeats)}
    unmatched = len(lora.layers.keys() - set(map(whole_name, known)))
    return _measure(lora, placed, " and ".join(side.family.title for side in sides), unmatched)


def measure_alone(lora: Lora, made_for: FileFamily) -> Spectrum:
    """The spectrum of a LoRA by its names alone: blocks are those of the family it seems to be made for."""
    known = families()[made_for.ids[0]] if made_for.ids else None
    keys = {layer: Target(likely_key(layer, known)) for layer in lora.layers}
    text = {layer: target for layer, target in keys.items() if is_text_encoder(layer)}
    rest = {layer: target for layer, target in keys.items() if layer not in text}
    placed = _place_each(text, blocks_of_model({target.key: () for target in text.values()})) if text else []
    if rest:
        family = blocks_without_model(known, (target.key for target in rest.values()))
        placed += _place_each(rest, family)
    return _measure(lora, [(item, None) for item in placed], str(made_for))


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
    lora: Lora, placed: Iterable[tuple[Placed, Weights | None]], family: str, unmatched: int | None = None
) -> Spectrum:
    """`unmatched` is None where there is no model."""
    sums: dict[Place, _Sum] = {}
    needs_weight = Counter[str]()
    for item, weights in placed:
        adapters = [adapter for layer in item.layers for adapter in lora.layers[layer]]
        weight = weights(item.target) if weights is not None else None
        try:
            change = change_energy(adapters, weight, item.target.function)
        except OverflowError as error:
            raise BrokenFile(lora.stamp.path, str(error), _REMEDY, key=item.layers[0]) from None
        if change is None:
            needs_weight.update(adapter.kind for adapter in adapters if adapter.needs_weight)
            continue
        into = sums.setdefault(item.place, _Sum())
        into.layers += len(item.layers)
        into.change += change
        into.weight += 0.0 if weight is None else energy(weight)
        into.has_weight = into.has_weight and weight is not None and isfinite(into.weight)
    whole = sum(found.change for found in sums.values())
    if not isfinite(whole):
        raise BrokenFile(lora.stamp.path, BEYOND_NUMBERS, _REMEDY)
    parts = tuple(_part(place, found, whole) for place, found in sums.items())
    return Spectrum(family, parts, unmatched is not None, dict(needs_weight), unmatched or 0)


def _part(place: Place, found: _Sum, whole: float) -> Energy:
    share = found.change / whole if whole else 0.0
    weight = found.weight if found.has_weight else None
    return Energy(place.block, place.element, found.layers, found.change, share, weight)


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
