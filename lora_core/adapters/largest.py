"""How large the numbers of a change can be, told from those of its factors without one product made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from .adapter import Adapter
from .dora import DoRA

_SURELY_FINITE = 1e30  # in float32, with what it is multiplied by


def largest_change(adapter: Adapter, packed: tuple[Any, ...]) -> float:
    """At least the largest |number| of ΔW at strength 1; a weight it depends on is taken to be 1 at most.

    `packed` is the adapter as `pack` gives it. Every formula is a sum of products of its tensors, each inner
    dimension of which is a rank: so the bound is the product of their largest numbers, times a rank for each
    pair of matrices. A DoRA gives its rows lengths, whatever the change was.
    """
    if isinstance(adapter, DoRA):
        inside = largest_change(adapter.inner, packed[1])
        return 1.0 + _largest(adapter.magnitude) if inside < _SURELY_FINITE else math.inf
    tensors, numbers = _parts(packed)
    factors = [*map(_largest, tensors), *map(abs, numbers)]
    if adapter.needs_weight:  # a sum, one side of which may be without some of them
        factors = [max(1.0, factor) for factor in factors]
    pairs = sum(tensor.ndim > 1 for tensor in tensors) // 2
    try:
        return math.prod(factors) * float(adapter.rank or 1) ** pairs
    except OverflowError:
        return math.inf


def _parts(packed: Iterable[Any]) -> tuple[list[torch.Tensor], list[float]]:
    parts = [*_flat(packed)]
    return [p for p in parts if isinstance(p, torch.Tensor)], [p for p in parts if isinstance(p, float)]


def _flat(packed: Iterable[Any]) -> Iterator[Any]:
    for part in packed:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part


def _largest(tensor: torch.Tensor) -> float:
    if not tensor.numel() or tensor.is_meta:
        return 0.0
    low, high = torch.aminmax(tensor.float() if tensor.dtype.itemsize < 2 else tensor)
    return max(abs(float(low)), abs(float(high)))
