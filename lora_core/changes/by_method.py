"""What a stack does to one weight where its changes are merged by a method, and not added up."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import torch

from ..applying import Step
from ..errors import CannotMerge
from ..merging import Method
from .change import WeightChange, change_of

if TYPE_CHECKING:
    from torch import Tensor


def merged(
    rows: Sequence[Sequence[Step]],
    shape: tuple[int, ...],
    method: Method,
    key: str,
    weight: Tensor | None = None,
) -> WeightChange:
    """One change from the steps of each row, which meet the weight as it is and not as earlier rows left it.

    Raises CannotMerge for a row that makes the weight larger, ValueError where `change_of` does.
    """
    if any(step.adapter.grown_shape is not None for steps in rows for step in steps):
        raise CannotMerge(f"{key}: a LoRA makes this weight larger. Only the method sum can merge that")
    changes = [change_of(steps, shape, weight).full() for steps in rows]
    none = torch.zeros(shape[0], 0), torch.zeros(0, prod(shape[1:]))
    return WeightChange(shape, *none, method.merge(changes, key))
