"""Work counted rather than timed: kernels launched and bytes moved by torch operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Dispatched, but no work on any device: they only describe memory.
_VIEWS = {
    "view",
    "_unsafe_view",
    "reshape",
    "t",
    "transpose",
    "permute",
    "unsqueeze",
    "squeeze",
    "slice",
    "select",
}
_VIEWS |= {
    "as_strided",
    "expand",
    "alias",
    "detach",
    "empty",
    "empty_strided",
    "new_empty",
    "narrow",
    "split",
}


@dataclass(frozen=True)
class Work:
    """Kernels launched, and bytes that they read and write."""

    kernels: float
    bytes_moved: float

    def per(self, count: int) -> Work:
        """The same for one of `count` equal parts."""
        return Work(self.kernels / count, self.bytes_moved / count)


class _Counter(TorchDispatchMode):
    """Sees every operation below autograd, where one operation is one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = 0
        self.bytes_moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in _VIEWS:
            self.kernels += 1
            tensors = [
                leaf for leaf in tree_leaves((args, kwargs or {}, result)) if isinstance(leaf, torch.Tensor)
            ]
            self.bytes_moved += sum(tensor.nbytes for tensor in tensors)
        return result


def count_work(work: Callable[[], None]) -> Work:
    """Run `work` and count."""
    with _Counter() as counter:
        work()
    return Work(counter.kernels, counter.bytes_moved)
