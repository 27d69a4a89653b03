"""Numbers of a stack that are too large for the weights: each allowed, and their product is not.

A weight that overflows is infinite, and the picture black. A bound from the factors alone is enough for every
stack that makes a picture; only what passes the bound is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from ..errors import Overflows
from .patch import ForeignStep, Step, take_steps

if TYPE_CHECKING:
    from torch import Tensor

_ROOM = 64.0  # the weights themselves, and what the bound does not know of them


def is_safe(changes: Iterable[float], dtypes: Iterable[torch.dtype]) -> bool:
    """Whether weights of these dtypes hold the sum of changes that are at most so large, by the bound."""
    limit = min((_largest(dtype) for dtype in dtypes), default=torch.finfo(torch.float32).max)
    return sum(changes) <= limit / _ROOM


def require_numbers(
    steps: Mapping[str, Sequence[Step | ForeignStep]],
    weight: Callable[[str], tuple[Tensor, torch.dtype] | None],
    names: Sequence[str],
) -> None:
    """Raises Overflows for the first model key whose weight would have numbers its dtype does not hold.

    `weight` gives a copy in float32 and the dtype it is stored in, None where it cannot be seen; `names` are
    the LoRAs, for the error. What only the host's adapters know is left out.
    """
    for key, taken in steps.items():
        found = weight(key)
        if found is None:
            continue
        before, dtype = found
        if not bool(before.isfinite().all()):
            continue
        after = take_steps(before, (step for step in taken if isinstance(step, Step)))
        if not holds(dtype, after):
            raise too_large(key, dtype, names)


def holds(dtype: torch.dtype, numbers: Tensor) -> bool:
    """Whether a tensor of a dtype holds these numbers without one becoming infinite."""
    if not numbers.numel():
        return True
    low, high = (float(bound) for bound in torch.aminmax(numbers))
    return -_largest(dtype) <= low and high <= _largest(dtype)  # never true of NaN


def too_large(key: str, dtype: torch.dtype, names: Sequence[str]) -> Overflows:
    """The error for a weight that does not hold its numbers."""
    return Overflows(key, str(dtype).removeprefix("torch."), _largest(dtype), names)


def _largest(dtype: torch.dtype) -> float:
    """The largest number of a dtype. Float8 stops there, so that what it is computed in counts."""
    return torch.finfo(torch.float32 if dtype.itemsize == 1 else dtype).max
