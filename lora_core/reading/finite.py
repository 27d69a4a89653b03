"""Whether tensors hold NaN or infinity, found in one pass over memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from .outline import Outline

if TYPE_CHECKING:
    from torch import Tensor


def is_finite(tensor: Tensor) -> bool:
    """Whether every number of a floating-point tensor is finite. One without contents has none."""
    if isinstance(tensor, Outline):
        return tensor.is_finite()
    if not tensor.numel() or tensor.is_meta:
        return True
    wide = tensor.float() if tensor.dtype.itemsize < 2 else tensor
    # NaN comes through minimum and maximum, and no temporary is made.
    return all(bool(bound.isfinite()) for bound in torch.aminmax(wide))


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number of every floating-point tensor is finite."""
    return all(is_finite(tensor) for tensor in tensors if tensor.is_floating_point())
