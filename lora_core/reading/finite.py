"""Whether tensors hold NaN or infinity, found in few passes over memory.

The tensors of a file lie one after another in one buffer. Neighbours of one dtype are looked at as one: a
call a tensor would cost more than the looking.
"""

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
    return all(is_finite(span) for span in _spans(tensors))


def _spans(tensors: Iterable[Tensor]) -> Iterable[Tensor]:
    """The same numbers in as few tensors as their place in memory allows."""
    floating = [t for t in tensors if t.is_floating_point() and t.numel()]
    flat = [t for t in floating if t.is_contiguous()]
    yield from (t for t in floating if not t.is_contiguous())
    flat.sort(key=lambda t: (str(t.dtype), t.untyped_storage().data_ptr(), t.storage_offset()))
    start = 0
    for index in range(1, len(flat) + 1):
        if index == len(flat) or not _follows(flat[index], flat[index - 1]):
            first, last = flat[start], flat[index - 1]
            length = last.storage_offset() + last.numel() - first.storage_offset()
            yield first.as_strided((length,), (1,))
            start = index


def _follows(tensor: Tensor, before: Tensor) -> bool:
    if tensor.dtype != before.dtype:
        return False
    if tensor.untyped_storage().data_ptr() != before.untyped_storage().data_ptr():
        return False
    return int(tensor.storage_offset()) == int(before.storage_offset()) + before.numel()
