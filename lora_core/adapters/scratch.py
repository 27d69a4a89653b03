"""Memory for factors on their way into a product, used again from one weight to the next.

Without it a CPU hands out fresh pages for the cast factors of every weight, and clearing those pages costs
more than the cast. An accelerator's allocator keeps its blocks itself, so it gets ordinary tensors.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class _Buffers(threading.local):
    """Per thread, use and dtype the largest buffer so far: the factors of one weight, a few MiB."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, torch.dtype], Tensor] = {}


_BUFFERS = _Buffers()


def scratch(use: str, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised tensor, valid until the same thread asks for the same `use` again."""
    if device.type != "cpu":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    size = prod(shape)
    buffer = _BUFFERS.held.get((use, dtype))
    if buffer is None or buffer.numel() < size:
        with torch.inference_mode(False):  # a tensor made in inference mode cannot be written outside it
            buffer = _BUFFERS.held[use, dtype] = torch.empty(size, dtype=dtype)
    return buffer[:size].view(tuple(shape))
