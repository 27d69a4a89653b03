"""Which layers of a LoRA are in a model, and which are there with another shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ..adapters import Adapter, Padded
from ..blocks import ModelBlocks
from ..errors import ShapeMismatch
from ..key_maps import KeyMap, Target
from ..reading import Lora

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Misfit:
    """A layer that is in the model with another shape."""

    layer: str
    kind: str
    found: tuple[int, int] | None  # (out, in · kernel) of the change
    expected: tuple[int, ...]  # of the weight

    def __str__(self) -> str:
        made = f"makes a change of {self.found}" if self.found else f"is {self.kind} of another shape"
        return f"{self.layer} {made}, the model's weight is {self.expected}"


@dataclass(frozen=True, eq=False)
class Foreign:
    """A patch made by the host's own adapters from tensors we have no formula for."""

    patch: Any
    keys: frozenset[str]  # of the file


Adopt = Callable[[Mapping[str, "Tensor"], KeyMap], Mapping[Target, Foreign]]
"""How a host makes patches of tensors we have no formula for."""


@dataclass(frozen=True, eq=False)
class Match:
    """The layers of one LoRA that are in one model."""

    lora: Lora
    layers: Mapping[str, Target]
    misfits: tuple[Misfit, ...]
    foreign: Mapping[Target, Foreign] = field(default_factory=dict)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The model keys it changes."""
        return frozenset(target.key for target in (*self.layers.values(), *self.foreign))

    @cached_property
    def keys_that_need_weight(self) -> frozenset[str]:
        """Those it changes in a way that depends on the weight it meets, and so on its place in a stack."""
        dependent = {
            target.key
            for name, target in self.layers.items()
            if any(adapter.needs_weight for adapter in self.lora.layers[name])
        }
        return frozenset(dependent | {target.key for target in self.foreign})

    @cached_property
    def applied_twice(self) -> frozenset[str]:
        """The model keys of which several layers change one part, such as q and the qkv around it."""
        slices: dict[str, list[Target]] = {}
        for target in self.layers.values():
            slices.setdefault(target.key, []).append(target)
        return frozenset(
            key
            for key, found in slices.items()
            if any(one.overlaps(other) for one, other in combinations(found, 2))
        )

    def require_fit(self) -> None:
        """Raises ShapeMismatch when a layer has another shape than the model's."""
        if self.misfits:
            more = f" (and {len(self.misfits) - 1} more layers)" if len(self.misfits) > 1 else ""
            raise ShapeMismatch(
                f"{self.lora.stamp.path.name}: {self.misfits[0]}{more}. "
                "The LoRA was made for another model; use one made for this model's family"
            )


def blocks_present(found: Match, family: ModelBlocks) -> tuple[str, ...]:
    """The blocks of a model that a LoRA has layers in, by id and in the model's order."""
    targets = (*found.layers.values(), *found.foreign)
    return family.blocks({target.key for target in targets})


def match(lora: Lora, key_map: KeyMap, adopt: Adopt | None = None) -> Match:
    """Look every layer of a LoRA up in a model's key map."""
    layers: dict[str, Target] = {}
    misfits: list[Misfit] = []
    for name, adapters in lora.layers.items():
        target = key_map.find(name)
        if target is None:
            continue
        misfit = _misfit(name, adapters, target, key_map.shape(target))
        if misfit is None:
            layers[name] = target
        else:
            misfits.append(misfit)
    foreign = adopt(lora.leftovers, key_map) if adopt is not None and lora.leftovers else {}
    return Match(lora, layers, tuple(misfits), foreign)


def _misfit(
    layer: str, adapters: Sequence[Adapter], target: Target, shape: tuple[int, ...] | None
) -> Misfit | None:
    for adapter in adapters:
        # A slice cannot grow: the host keeps the weight around it.
        is_slice = isinstance(adapter, Padded) and target.offset is not None
        if shape is not None and (is_slice or not shape or not adapter.fits(shape)):
            return Misfit(layer, adapter.kind, adapter.change_shape, shape)
    return None
