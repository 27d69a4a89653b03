"""What differs between two files: tensor by tensor, or for two LoRAs by what they do to a model's weights.

Differences are relative: the largest |a − b| in parts of the largest |a|, |b|, the mean one in parts of their
mean. Two LoRAs that spell or factorise the same changes otherwise do not differ beyond rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..baking import Bake, plan_bake, scale_keys
from ..errors import CannotCompare
from ..key_maps import canonical
from ..reading import Dtype, Header, Lora, PartialLora, TensorReader, is_finite
from ..stack import Entry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LayerDifference:
    """One tensor, layer or weight. What is in one file alone has no shape on the other side."""

    name: str
    shapes: tuple[tuple[int, ...] | None, tuple[int, ...] | None]
    dtypes: tuple[Dtype | None, Dtype | None] = (None, None)
    largest: float | None = None
    mean: float | None = None

    @property
    def is_equal(self) -> bool:
        return self.shapes[0] == self.shapes[1] and self.dtypes[0] == self.dtypes[1] and self.largest == 0


def compare_tensors(a: Header, b: Header) -> Iterator[LayerDifference]:
    """Every tensor of two files, those of `a` first, one of each in memory at a time."""
    with TensorReader(a) as reader_a, TensorReader(b) as reader_b:
        for key in dict.fromkeys([*a.tensors, *b.tensors]):
            in_a, in_b = a.tensors.get(key), b.tensors.get(key)
            shapes = (in_a.shape if in_a else None, in_b.shape if in_b else None)
            dtypes = (in_a.dtype if in_a else None, in_b.dtype if in_b else None)
            if shapes[0] != shapes[1] or None in shapes:
                yield LayerDifference(key, shapes, dtypes)
            else:
                yield LayerDifference(key, shapes, dtypes, *_apart(reader_a.read(key), reader_b.read(key)))


def compare_loras(a: PartialLora, b: PartialLora) -> Iterator[LayerDifference]:
    """Every layer of two LoRAs under its canonical name, by the change it makes at strength 1.

    Raises RackError for a layer whose change depends on the weight: that takes a model.
    """
    layers_a, layers_b = _by_canonical(a.outline), _by_canonical(b.outline)
    for name in dict.fromkeys([*layers_a, *layers_b]):
        change_a = _change(a, layers_a[name]) if name in layers_a else None
        change_b = _change(b, layers_b[name]) if name in layers_b else None
        shapes = (_shape(change_a), _shape(change_b))
        if change_a is None or change_b is None or shapes[0] != shapes[1]:
            yield LayerDifference(name, shapes)
        else:
            yield LayerDifference(name, shapes, (None, None), *_apart(change_a, change_b))


def compare_loras_on(checkpoint: Path, a: Path, b: Path) -> Iterator[LayerDifference]:
    """What two LoRAs do at strength 1 to every weight of a checkpoint that one of them changes.

    Raises as `plan` does when one of them does not belong on the checkpoint.
    """
    plan_a, plan_b = (plan_bake(checkpoint, [Entry(path.name)], [path]) for path in (a, b))
    with TensorReader(plan_a.header) as reader:
        for key, info in plan_a.header.tensors.items():
            if key in plan_a.uses or key in plan_b.uses:
                shapes = (
                    info.shape if key in plan_a.uses else None,
                    info.shape if key in plan_b.uses else None,
                )
                apart = _apart(_change_on(plan_a, key, reader), _change_on(plan_b, key, reader))
                yield LayerDifference(key, shapes, (None, None), *apart)


def _by_canonical(lora: Lora) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for layer in lora.layers:
        names.setdefault(canonical(layer), []).append(layer)
    return names


def _shape(change: Tensor | None) -> tuple[int, ...] | None:
    return None if change is None else tuple(change.shape)


def _change(lora: PartialLora, layers: Sequence[str]) -> Tensor:
    """(out, in · kernel): the sum of what some layers of one file do to the same weight."""
    loaded = lora.layers(layers)
    adapters = [adapter for layer in layers for adapter in loaded.layers[layer]]
    total: Tensor | None = None
    for adapter in adapters:
        shape = None if adapter.needs_weight else adapter.change_shape
        if shape is None:
            raise CannotCompare(
                f"{lora.stamp.path}: what {layers[0]!r} changes depends on the weight. Name a checkpoint, "
                "or compare the tensors themselves"
            )
        total = adapter.apply(torch.zeros(shape) if total is None else total, 1.0, torch.float32)
    assert total is not None
    return total


def _change_on(planned: Bake, key: str, reader: TensorReader) -> Tensor:
    stored = reader.read(key).to(torch.float32)
    if key not in planned.uses:
        return torch.zeros_like(stored)
    scale_key = scale_keys(planned.header, [key]).get(key)
    scale = None if scale_key is None else reader.read(scale_key).to(torch.float32)
    changed = planned.patched(key, stored.clone(), scale)
    if changed.shape != stored.shape:
        lora = planned.loras[0].stamp.path
        raise CannotCompare(
            f"{lora}: makes {key} larger, which leaves nothing to compare with. Compare the tensors"
        )
    changed.sub_(stored)
    return changed if scale is None else changed.mul_(scale)


def _apart(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Largest and mean relative difference; 0 for tensors without a number, or that are the same.

    NaN and infinity are equal to themselves and infinitely far from all else.
    """
    if a.dtype == b.dtype and torch.equal(a, b):
        return 0.0, 0.0
    a, b = _wide(a), _wide(b)
    if not (is_finite(a) and is_finite(b)):
        finite = a.isfinite() & b.isfinite()
        if not torch.allclose(a[~finite], b[~finite], equal_nan=True):
            return math.inf, math.inf
        a, b = a[finite], b[finite]
    if a.numel() == 0:
        return 0.0, 0.0
    apart = (a - b).abs()
    largest = max(a.abs().max().item(), b.abs().max().item())
    mean = max(a.abs().mean().item(), b.abs().mean().item())
    return _share(apart.max().item(), largest), _share(apart.mean().item(), mean)


def _wide(tensor: Tensor) -> Tensor:
    """In a dtype with arithmetic that tells any two numbers apart, of integers those below 2^53."""
    if tensor.is_complex():
        return torch.view_as_real(tensor)
    small = tensor.is_floating_point() and tensor.dtype.itemsize <= 4
    return tensor.to(torch.float32 if small else torch.float64)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def summary(differences: Sequence[LayerDifference]) -> Mapping[str, float | int]:
    """Totals: how many of which kind, and the largest and mean of the numbers."""
    both = [d for d in differences if d.largest is not None]
    return {
        "compared": len(differences),
        "equal": sum(d.is_equal for d in differences),
        "only_in_a": sum(d.shapes[1] is None for d in differences),
        "only_in_b": sum(d.shapes[0] is None for d in differences),
        "other_shape": sum(None not in d.shapes and d.shapes[0] != d.shapes[1] for d in differences),
        "other_dtype": sum(None not in d.shapes and d.dtypes[0] != d.dtypes[1] for d in differences),
        "largest": max((d.largest or 0.0 for d in both), default=0.0),
        "mean": sum(d.mean or 0.0 for d in both) / len(both) if both else 0.0,
    }
