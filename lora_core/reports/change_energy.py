"""‖ΔW‖² of one weight, from the factors where there are such, else a few rows at a time.

Of low-rank layers it follows from the factors, ‖U·D‖² = tr((UᵀU)(DDᵀ)), of Kronecker products from their
halves, and a LoHa of rank r is a low-rank layer of rank r² (its rows are row-wise Kronecker products). So a
file of a few kilobytes never takes the memory of the weight that it says it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, prod

import torch
from torch import Tensor

from ..adapters import Adapter, Difference, LoHa, LoKr, LowRank, Reorder

BEYOND_NUMBERS = "makes a change too large for a number"

_ROWS = 2**22  # numbers of the change in memory at a time
_MOST = 2**29  # numbers of a change that is looked at number by number: some seconds
_MOST_WHOLE = 2**25  # of one that no formula here gives in rows

Factors = tuple[Tensor, Tensor]  # up (out, rank) with the scale in it, down (rank, in · kernel)


def change_energy(
    adapters: Sequence[Adapter], weight: Tensor | None = None, reorder: Reorder | None = None
) -> float | None:
    """‖ΔW‖² of the adapters of one weight at strength 1, or None where it depends on a weight not given.

    Raises OverflowError for a change beyond all numbers, or of more numbers than can be looked at.
    """
    for dtype in (torch.float32, torch.float64):
        if not any(adapter.needs_weight for adapter in adapters):
            found = _additive(adapters, dtype)
        elif weight is None:
            return None
        else:
            found = _on_weight(adapters, weight.to(dtype, copy=True), reorder)
        if isfinite(found):
            return found
    raise OverflowError(BEYOND_NUMBERS)


def energy(tensor: Tensor) -> float:
    """The sum of squares, in double precision a row at a time."""
    wide = tensor if tensor.dtype == torch.float64 else tensor.float()
    rows: Tensor = torch.linalg.vector_norm(wide.reshape(tensor.shape[0] if tensor.ndim else 1, -1), dim=1)
    return float(rows.double().square().sum())


def _on_weight(adapters: Sequence[Adapter], before: Tensor, reorder: Reorder | None) -> float:
    after = before.clone()
    for adapter in adapters:
        after = adapter.apply(after, 1.0, before.dtype, reorder)
    if after.shape != before.shape:
        # Grown with zeros: what was not there before is all change.
        after[tuple(slice(size) for size in before.shape)] -= before
        return energy(after)
    return energy(after.sub_(before))


def _additive(adapters: Sequence[Adapter], dtype: torch.dtype) -> float:
    if len(adapters) == 1 and isinstance(adapters[0], LoKr):
        one = adapters[0]
        halves = ((one.left, one.left_b), (one.right, one.right_b))
        return one.scale**2 * prod(
            energy(a.to(dtype)) if b is None else _product_energy(a.to(dtype), b.to(dtype)) for a, b in halves
        )
    if len(adapters) == 1 and isinstance(adapters[0], Difference):
        return adapters[0].scale ** 2 * energy(adapters[0].difference.to(dtype))
    factors = [_factors(adapter, dtype) for adapter in adapters]
    if all(found is not None for found in factors):
        ups, downs = zip(*filter(None, factors), strict=True)
        return _product_energy(torch.cat(ups, dim=1), torch.cat(downs, dim=0))
    return _in_rows(adapters, dtype)


def _factors(adapter: Adapter, dtype: torch.dtype) -> Factors | None:
    """An adapter as one product, or None where it is none or its numbers themselves are fewer."""
    if isinstance(adapter, LowRank):
        return adapter.up.flatten(1).to(dtype) * adapter.scale, adapter.down.flatten(1).to(dtype)
    if not isinstance(adapter, LoHa):
        return None
    (out, inner), ranks = adapter.change_shape, (adapter.w1_a.shape[1], adapter.w2_a.shape[1])
    if (out + inner) * prod(ranks) ** 2 > 2 * out * inner * sum(ranks):
        return None
    w1_a, w1_b, w2_a, w2_b = (w.to(dtype) for w in (adapter.w1_a, adapter.w1_b, adapter.w2_a, adapter.w2_b))
    up = (w1_a[:, :, None] * w2_a[:, None, :]).flatten(1) * adapter.scale
    return up, (w1_b[:, None, :] * w2_b[None, :, :]).flatten(0, 1)


def _product_energy(up: Tensor, down: Tensor) -> float:
    """‖up @ down‖² = Σ (upᵀup) ∘ (down·downᵀ), in numbers of rank², not of the weight."""
    if up.shape[1] >= min(up.shape[0], down.shape[1]):
        return energy(torch.mm(up, down))
    inner = torch.mm(up.T, up).double().mul_(torch.mm(down, down.T).double())
    total = float(inner.sum())
    return max(total, 0.0) if isfinite(total) else total  # rounding may leave a product of nothing below 0


def _in_rows(adapters: Sequence[Adapter], dtype: torch.dtype) -> float:
    shape = adapters[0].change_shape
    assert shape is not None, "an additive change knows its shape"
    if prod(shape) > _MOST:
        raise OverflowError(f"changes {shape[0]} × {shape[1]} numbers, more than can be looked at")
    step = max(_ROWS // shape[1], 1)
    total = 0.0
    for start in range(0, shape[0], step):
        rows = torch.arange(start, min(start + step, shape[0]))
        total += energy(torch.stack([_rows(adapter, rows, dtype) for adapter in adapters]).sum(0))
    return total


def _rows(adapter: Adapter, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """(rows, in · kernel) of an additive change."""
    if isinstance(adapter, LowRank):
        return _part(adapter.up.flatten(1), adapter.down.flatten(1), rows, dtype).mul_(adapter.scale)
    if isinstance(adapter, LoHa):
        first = _part(adapter.w1_a, adapter.w1_b, rows, dtype)
        return first.mul_(_part(adapter.w2_a, adapter.w2_b, rows, dtype)).mul_(adapter.scale)
    if isinstance(adapter, Difference):
        return adapter.difference.reshape(adapter.change_shape)[rows].to(dtype) * adapter.scale
    if isinstance(adapter, LoKr):
        below = adapter.right.shape[0]
        left = _part(adapter.left, adapter.left_b, rows // below, dtype)
        right = _part(adapter.right, adapter.right_b, rows % below, dtype)
        return (left[:, :, None] * right[:, None, :]).flatten(1).mul_(adapter.scale)
    shape = adapter.change_shape
    if shape is None or prod(shape) > _MOST_WHOLE:
        raise OverflowError(f"is {adapter.kind} beside others, on more numbers than can be looked at")
    return adapter.apply(torch.zeros(shape, dtype=dtype), 1.0, dtype)[rows]


def _part(first: Tensor, last: Tensor | None, rows: Tensor, dtype: torch.dtype) -> Tensor:
    some = first[rows].to(dtype)
    return some if last is None else torch.mm(some, last.to(dtype))
