"""`reshape_weight`: the weight grows with zeros to a given shape before its change is added.

BFL's control LoRAs do it to take more channels in (comfy/weight_adapter/lora.py `pad_tensor_to_shape`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter
from .change import Reorder
from .low_rank import LowRank
from .roles import MOST_AXES, BadTensors, Roles, matrix_shape

if TYPE_CHECKING:
    from torch import Tensor

MAX_DIMENSIONS = MOST_AXES


@dataclass(frozen=True, eq=False)
class Padded(Adapter):
    """A plain LoRA on a weight made at least as large as `shape`. The one kind that is not done in place."""

    kind: ClassVar[str] = "LoRA that grows its weight"
    needs_weight: ClassVar[bool] = True
    can_split: ClassVar[bool] = False

    inner: LowRank
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return self.inner.rank

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.inner.change_shape

    @property
    def grown_shape(self) -> tuple[int, ...]:
        return self.shape

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Only inputs grow: a weight with more of them, other rows or another kernel is another model's."""
        mine, theirs = self.shape, tuple(shape)
        if len(mine) < 2 or len(mine) != len(theirs):
            return False
        return (theirs[0], *theirs[2:]) == (mine[0], *mine[2:]) and theirs[1] <= mine[1]

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """A grown copy of `weight` with the change added, or `weight` itself where it is as large already."""
        grown = tuple(max(sizes) for sizes in zip(weight.shape, self.shape, strict=True))
        if grown != weight.shape:
            larger = weight.new_zeros(grown)
            larger[tuple(slice(size) for size in weight.shape)] = weight
            weight = larger
        self.inner.apply(weight[tuple(slice(size) for size in self.shape)], strength, dtype, reorder)
        return weight


def pad(adapter: LowRank, tensors: Roles) -> tuple[Padded | LowRank, set[str]]:
    """The adapter with its layer's `reshape`, if there is one, and the role used."""
    if "reshape" not in tensors:
        return adapter, set()
    shape = tensors["reshape"]
    if shape.is_floating_point() or shape.ndim != 1 or not 0 < shape.numel() <= MAX_DIMENSIONS:
        raise BadTensors("reshape", f"is not a shape but {shape.dtype} of shape {list(shape.shape)}")
    sizes = tuple(int(size) for size in shape)
    if min(sizes) < 1 or matrix_shape(sizes) != adapter.change_shape:
        raise BadTensors("reshape", f"asks for {list(sizes)}, the factors make {list(adapter.change_shape)}")
    return Padded(adapter, sizes), {"reshape"}
