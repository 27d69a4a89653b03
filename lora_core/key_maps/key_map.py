"""Which weight a layer name means in one model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from ..adapters import Reorder
from .spellings import folded, in_maps, is_bare

_LOOKED_UP = ("lora_", "lycoris_", "base_model.model.")  # names that `in_maps` gives, or a bare one repeats


_FUSED = re.compile(r"(?<=[._])(to_|)qkv$")


@dataclass(frozen=True)
class Target:
    """A model weight, or the slice of it, that a layer name stands for.

    `offset` is (dimension, start, length) of the slice; `function` reorders a weight change before it is
    added. Both are as in the host's key maps (comfy/lora.py).
    """

    key: str
    offset: tuple[int, int, int] | None = None
    function: Reorder | None = None

    def overlaps(self, other: Target) -> bool:
        """Whether the two have numbers of one weight in common."""
        if self.key != other.key:
            return False
        if self.offset is None or other.offset is None or self.offset[0] != other.offset[0]:
            return True
        (_, start, length), (_, begin, count) = self.offset, other.offset
        return start < begin + count and begin < start + length

    def part(self, place: tuple[int, int, int]) -> Target | None:
        """A slice of what this stands for, as a target; None where that is no slice of the weight."""
        if self.function is not None:
            return None
        dimension, start, length = place
        along, before, _ = self.offset or (dimension, 0, 0)
        return replace(self, offset=(dimension, before + start, length)) if along == dimension else None


@dataclass(frozen=True, eq=False)
class KeyMap:
    """The layer names a model answers to, and the shapes of its weights."""

    targets: Mapping[str, Target]
    shapes: Mapping[str, tuple[int, ...]]
    # Weights that do not show their shape, with the one they stand for, () where nobody tells.
    packed: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unlisted: frozenset[str] = frozenset()  # keys ComfyUI takes patches for and does not write

    @classmethod
    def of(
        cls,
        names: Mapping[str, Target],
        shapes: Mapping[str, tuple[int, ...]],
        packed: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
        unlisted: frozenset[str] = frozenset(),
    ) -> KeyMap:
        """A key map of these names, the host's known mistakes mended."""
        mended = {name: _mended(name, target, shapes.get(target.key)) for name, target in names.items()}
        return cls(mended, shapes, packed, unlisted)

    def find(self, layer: str) -> Target | None:
        """The target of a layer name in any spelling, or of `<layer>.bias`; None where the model has none."""
        target = self._find(layer)
        if target is None and layer.endswith(".bias"):
            weight = self._find(layer.removesuffix(".bias"))
            return None if weight is None else self._bias_of(weight)
        return target

    def find_apart(self, layer: str) -> tuple[Target, ...]:
        """The weights of q, k and v where the model keeps apart what a layer of a file fuses; else none."""
        parts = [_FUSED.sub(rf"\g<1>{part}", layer) for part in "qkv"]
        found = [self._find(name) for name in parts] if parts[0] != layer else []
        return tuple(target for target in found if target is not None) if None not in found else ()

    def shape(self, target: Target) -> tuple[int, ...] | None:
        """Shape of the weight or slice; None where the model does not tell."""
        shape = self.shapes.get(target.key)
        if shape is None or target.offset is None:
            return shape
        dimension, _, length = target.offset
        return (*shape[:dimension], length, *shape[dimension + 1 :])

    def _find(self, layer: str) -> Target | None:
        if layer in self.targets:
            return self.targets[layer]
        form = folded(layer)
        likely = next((self.targets[name] for name in in_maps(form) if name in self.targets), None)
        if likely is not None or not form or (":" in form and not self._has_encoders):
            return likely
        found = self._by_form.get(form)
        return found or (self._by_form.get(f"1:{form}") if is_bare(layer) else None)

    @cached_property
    def _by_form(self) -> Mapping[str, Target | None]:
        """The targets by folded name; None where names of several fold to one."""
        found: dict[str, Target | None] = {}
        for name, target in self.targets.items():
            if name.startswith(_LOOKED_UP):
                continue
            form = folded(name)
            found[form] = target if found.get(form, target) == target else None
        return found

    @cached_property
    def _has_encoders(self) -> bool:
        return any(name.startswith(("lora_te", "text_encoder")) for name in self.targets)

    def _bias_of(self, weight: Target) -> Target | None:
        key = f"{weight.key.removesuffix('.weight')}.bias"
        along_rows = weight.offset is None or weight.offset[0] == 0
        return replace(weight, key=key) if key in self.shapes and along_rows else None


def _mended(name: str, target: Target, shape: tuple[int, ...] | None) -> Target:
    """A slice of the host's map where its length is right for one family and wrong for another.

    Lumina 2 has fewer keys and values than queries (the map's thirds are Z-Image's), and Flux.2's single
    blocks have a wider MLP than Flux.1's (comfy/utils.py `z_image_to_diffusers`, `flux_to_diffusers`).
    """
    if target.offset is None or shape is None or target.offset[0] != 0:
        return target
    _, start, length = target.offset
    total = shape[0]
    is_third = shape[1:] == (length,)  # as wide as q, which reads and makes as many numbers
    if target.key.endswith(".attention.qkv.weight") and is_third and total != 3 * length:
        narrow = (total - length) // 2
        part = name.rpartition("to_")[2]
        slices = {"q": (0, 0, length), "k": (0, length, narrow), "v": (0, length + narrow, narrow)}
        return replace(target, offset=slices.get(part, target.offset))
    if name.endswith("proj_mlp") and start + length != total:
        return replace(target, offset=(0, start, total - start))
    return target
