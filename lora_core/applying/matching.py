"""Which layers of a LoRA are in a model, and which are there with another shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar

from ..adapters import Adapter
from ..blocks import ModelBlocks
from ..errors import ShapeMismatch
from ..key_maps import KeyMap, Target, is_text_encoder
from ..reading import Lora, rows_name, whole_name
from .said_twice import Repeat, of_another_encoder, repeats

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

    needs_weight: ClassVar[bool] = True
    can_split: ClassVar[bool] = False
    grown_shape: ClassVar[None] = None
    kind: ClassVar[str] = "LoRA only ComfyUI's own adapters know"

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
    repeats: tuple[Repeat, ...] = ()  # layers left out because another says the same of their weight
    left: frozenset[str] = frozenset()  # layers that another model has of the same LoRA

    @cached_property
    def names(self) -> frozenset[str]:
        """The layers of the file that the model has."""
        return frozenset(map(whole_name, (*self.layers, *(repeat.layer for repeat in self.repeats))))

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

    @property
    def misfitting(self) -> frozenset[str]:
        """The layers of the file that are there with another shape."""
        return frozenset(whole_name(misfit.layer) for misfit in self.misfits)

    def leaving(self, names: frozenset[str]) -> Match:
        """The match without some layers of the file, which are another model's."""
        return replace(
            self,
            layers={name: target for name, target in self.layers.items() if whole_name(name) not in names},
            misfits=tuple(misfit for misfit in self.misfits if whole_name(misfit.layer) not in names),
            repeats=tuple(repeat for repeat in self.repeats if whole_name(repeat.layer) not in names),
            left=names,
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
    found = dict(_found(lora, key_map))
    shapes = {name: key_map.shape(target) for name, target in found.items()}
    misfits = {name: _misfit(name, lora.layers[name], found[name], shapes[name]) for name in found}
    strangers = of_another_encoder(found, {name: misfit is None for name, misfit in misfits.items()})
    layers = {
        name: found[name] for name, misfit in misfits.items() if misfit is None and name not in strangers
    }
    twice = {repeat.layer: repeat for repeat in repeats(lora, layers)}
    return Match(
        lora,
        {name: target for name, target in layers.items() if name not in twice},
        tuple(misfit for name, misfit in misfits.items() if misfit is not None and name not in strangers),
        adopt(lora.leftovers, key_map) if adopt is not None and lora.leftovers else {},
        tuple(twice.values()),
    )


def settle(model: Match | None, clip: Match | None) -> tuple[Match | None, Match | None]:
    """The matches of one LoRA with a model and with its text encoder, without what is not theirs.

    ACE-Step 1.5 and its text encoder have layers of the same names. Such a layer is the text encoder's where
    its name says so or where it fits there alone, else the model's.
    """
    if model is None or clip is None:
        return model, clip
    shared = (model.names | model.misfitting) & (clip.names | clip.misfitting)
    shared = frozenset(name for name in shared if not is_text_encoder(name))
    if not shared:
        return model, clip
    of_clip = shared & model.misfitting - clip.misfitting
    return model.leaving(of_clip), clip.leaving(shared - of_clip)


def _found(lora: Lora, key_map: KeyMap) -> Iterator[tuple[str, Target]]:
    """The layers a model has; one that it keeps apart by the names of its rows."""
    for name in lora.layers:
        target = key_map.find(name)
        if target is not None:
            yield name, target
            continue
        start = 0
        for part in key_map.find_apart(name):
            length = (key_map.shape(part) or (0,))[0]
            yield rows_name(name, start, length), part
            start += length


def _misfit(
    layer: str, adapters: Sequence[Adapter], target: Target, shape: tuple[int, ...] | None
) -> Misfit | None:
    for adapter in adapters:
        # A slice cannot grow: the host keeps the weight around it.
        is_slice = adapter.grown_shape is not None and target.offset is not None
        if shape is not None and (is_slice or not shape or not adapter.fits(shape)):
            return Misfit(layer, adapter.kind, adapter.change_shape, shape)
    return None
