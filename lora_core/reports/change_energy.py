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

from ..adapters import Adapter, Reorder, energy, product_energy

BEYOND_NUMBERS = "makes a change too large for a number"

_ROWS = 2**22  # numbers of the change in memory at a time
_MOST = 2**29  # numbers of a change that is looked at number by number: some seconds


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
    if len(adapters) == 1 and (known := adapters[0].energy(dtype)) is not None:
        return known
    if all(map(_is_small_product, adapters)):
        pairs = [adapter.factors() for adapter in adapters]
        ups = [pair.up.to(dtype) * pair.scale for pair in pairs]
        return product_energy(torch.cat(ups, dim=1), torch.cat([p.down.to(dtype) for p in pairs]))
    return _in_rows(adapters, dtype)


def _is_small_product(adapter: Adapter) -> bool:
    """Whether two factors give it in fewer steps than its numbers themselves."""
    rank, shape = adapter.product_rank, adapter.change_shape
    if rank is None or shape is None or adapter.rank is None:
        return False
    return rank == adapter.rank or sum(shape) * rank**2 <= 4 * prod(shape) * adapter.rank


def _in_rows(adapters: Sequence[Adapter], dtype: torch.dtype) -> float:
    shape = adapters[0].change_shape
    assert shape is not None, "an additive change knows its shape"
    if prod(shape) > _MOST:
        raise OverflowError(f"changes {shape[0]} × {shape[1]} numbers, more than can be looked at")
    step = max(_ROWS // shape[1], 1)
    total = 0.0
    for start in range(0, shape[0], step):
        rows = torch.arange(start, min(start + step, shape[0]))
        total += energy(torch.stack([adapter.change_rows(rows, dtype) for adapter in adapters]).sum(0))
    return total
