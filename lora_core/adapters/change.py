"""How a finished change reaches a weight: in place, with as few passes over memory as the layout allows."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

Reorder = Callable[["Tensor"], "Tensor"]
"""What some targets do to a weight change before it is added: swapping halves of the rows, in the host's key
maps (comfy/utils.py `swap_scale_shift`). It is its own inverse."""


def to_weight(tensor: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor where the weight is, in the dtype the maths is done in."""
    return tensor.to(weight.device, dtype, non_blocking=True)


def add_change(weight: Tensor, change: Tensor, factor: float, reorder: Reorder | None) -> Tensor:
    """Add factor · change, of as many numbers as the weight, to `weight` in place, and return it."""
    change = change.view(weight.shape)
    if reorder is not None:
        change = reorder(change)
    return weight.add_(change.to(weight.dtype) if factor == 1 else change.mul(factor).to(weight.dtype))


def add_product(
    weight: Tensor, up: Tensor, down: Tensor, factor: float, reorder: Reorder | None = None
) -> Tensor:
    """Add factor · up @ down to `weight` (out, in, *kernel), possibly a view, in place, and return it.

    One addmm when nothing stands between product and weight, so no full-size temporary is made.
    """
    if reorder is None and weight.dtype == up.dtype and weight.is_contiguous():
        weight.view(weight.shape[0], -1).addmm_(up, down, alpha=factor)
        return weight
    change = torch.mm(up, down).mul_(factor).view(weight.shape)
    return weight.add_(change if reorder is None else reorder(change))


def energy(tensor: Tensor) -> float:
    """The sum of squares, in double precision a row at a time."""
    wide = tensor if tensor.dtype == torch.float64 else tensor.float()
    rows: Tensor = torch.linalg.vector_norm(wide.reshape(tensor.shape[0] if tensor.ndim else 1, -1), dim=1)
    return float(rows.double().square().sum())


def product_energy(up: Tensor, down: Tensor) -> float:
    """‖up @ down‖² = Σ (upᵀup) ∘ (down·downᵀ), in numbers of rank², not of the weight."""
    if up.shape[1] >= min(up.shape[0], down.shape[1]):
        return energy(torch.mm(up, down))
    inner = torch.mm(up.T, up).double().mul_(torch.mm(down, down.T).double())
    total = float(inner.sum())
    return max(total, 0.0) if isfinite(total) else total  # rounding may leave a product of nothing below 0


def product_rows(first: Tensor, last: Tensor | None, rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Some rows of first @ last, or of first alone."""
    some = first[rows].to(dtype)
    return some if last is None else torch.mm(some, last.to(dtype))


def blockwise(weight: Tensor, *sizes: int) -> Tensor | None:
    """`weight` seen with its dimensions split into `sizes`, or None where that takes a copy."""
    return weight.view(*sizes) if weight.is_contiguous() or weight.ndim == 2 == len(sizes) // 2 else None


def rows(vector: Tensor, weight: Tensor) -> Tensor:
    """A vector of one number per row, shaped to multiply `weight` (out, …)."""
    return vector.reshape(-1, *[1] * (weight.ndim - 1))


def columns(vector: Tensor, weight: Tensor) -> Tensor:
    """A vector of one number per input, shaped to multiply `weight` (out, in, …)."""
    return vector.reshape(1, -1, *[1] * (weight.ndim - 2))
