"""Plain LoRA: ΔW = (alpha / rank) · up @ down (Hu et al. 2021, section 4.1), alone and several at once.

A convolution with a Tucker core (LyCORIS functional/locon.py: mid ×₁ up ×₂ down) is a plain one once its core
is multiplied into `down`, and so is an embedding, whose factors PEFT stores the other way round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind, Factors, inputs_of
from .change import Reorder, add_product, product_energy, product_rows, to_weight
from .roles import BadTensors, Roles, has_all, matrix_shape, read_scale, require, times_core, used
from .scratch import scratch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class LowRank(Adapter):
    """The factors of one layer, as stored in the file.

    `up` is (out, rank, …), `down` is (rank, in, *kernel); a convolution's `up` ends in (1, 1).
    """

    kind: ClassVar[str] = "LoRA"
    takes_lengths: ClassVar[bool] = True

    up: Tensor
    down: Tensor
    scale: float  # alpha / rank

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.up.shape[0], math.prod(self.down.shape[1:])

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def part(self, dimension: int, start: int, length: int) -> LowRank:
        """The factors of some rows (dimension 0) or inputs (1) of the change, in the same memory."""
        if dimension == 0:
            return replace(self, up=self.up.narrow(0, start, length))
        return replace(self, down=self.down.narrow(1, start, length))

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength · scale · up @ down to `weight` in place."""
        up = to_weight(self.up.flatten(1), weight, dtype)
        down = to_weight(self.down.flatten(1), weight, dtype)
        return add_product(weight, up, down, strength * self.scale, reorder)

    @property
    def product_rank(self) -> int:
        return self.rank

    def factors(self) -> Factors:
        return Factors(self.up.flatten(1), self.down.flatten(1), self.scale)

    def energy(self, dtype: torch.dtype) -> float:
        up, down = self.up.flatten(1).to(dtype), self.down.flatten(1).to(dtype)
        return product_energy(up * self.scale, down)

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        return product_rows(self.up.flatten(1), self.down.flatten(1), rows, dtype).mul_(self.scale)


@dataclass(frozen=True, eq=False)
class LowRankRun(Adapter):
    """Several LoRAs of one weight as one product: ΔW = up @ diag(scales) @ down.

    `up` is (out, R), `down` is (R, in · kernel) in their stored dtype, R the sum of the ranks; `scales` is
    (R,) float32 and holds strength · alpha / rank of each row.
    """

    kind: ClassVar[str] = "LoRA"

    up: Tensor
    down: Tensor
    scales: Tensor

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.up.shape[0], self.down.shape[1]

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def part(self, dimension: int, start: int, length: int) -> LowRankRun:
        """The factors of some rows (dimension 0) or columns (1) of a matrix's change, in the same memory."""
        if dimension == 0:
            return replace(self, up=self.up.narrow(0, start, length))
        return replace(self, down=self.down.narrow(1, start, length))

    @property
    def product_rank(self) -> int:
        return self.rank

    def factors(self) -> Factors:
        return Factors(self.up.to(self.scales.dtype) * self.scales, self.down, 1.0)

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength times the run to `weight` in place."""
        device = weight.device
        up = self.up.to(device, non_blocking=True)
        if up.dtype != dtype:
            up = scratch("up", up.shape, dtype, device).copy_(up)
        down = self.down.to(device, non_blocking=True)
        if down.dtype.itemsize == 1:
            down = down.to(dtype)  # float8 has no arithmetic
        scales = self.scales.to(device, non_blocking=True).unsqueeze(1)
        # Scaling and casting in one kernel; the few rows of `down` are the smallest place to scale.
        down = torch.mul(down, scales, out=scratch("down", down.shape, dtype, device))
        return add_product(weight, up, down, strength, reorder)


def join(items: Sequence[LowRank]) -> tuple[Tensor, Tensor]:
    """The `up` and `down` of a run, concatenated along the rank; one item's own memory where it is alone."""
    ups = [item.up.flatten(1) for item in items]
    downs = [item.down.flatten(1) for item in items]
    if len(items) == 1:
        return ups[0], downs[0]
    return _concatenate(ups, 1), _concatenate(downs, 0)


def _concatenate(parts: Sequence[Tensor], dimension: int) -> Tensor:
    """Like torch.cat, and page-locked where the parts are, so that a GPU still fetches them on its own."""
    pinned = parts[0].is_pinned()
    if len({part.dtype for part in parts}) > 1:
        # torch promotes float8 to nothing; float16 holds all its numbers.
        parts = [part.half() if part.dtype.itemsize == 1 else part for part in parts]
    if not pinned:
        return torch.cat(list(parts), dim=dimension)
    shape = list(parts[0].shape)
    shape[dimension] = sum(part.shape[dimension] for part in parts)
    dtype = reduce(torch.promote_types, (part.dtype for part in parts))
    return torch.cat(list(parts), dim=dimension, out=torch.empty(shape, dtype=dtype, pin_memory=True))


def from_roles(tensors: Roles) -> tuple[LowRank, set[str]] | None:
    """The LowRank of a layer and the roles it used, or None where there is no pair of factors."""
    if has_all(tensors, "embedding_a", "embedding_b"):
        return _embedding(tensors)
    if not has_all(tensors, "up", "down"):
        if "mid" in tensors:
            raise BadTensors("mid", "has no 'up' and 'down' beside it")
        return None
    up, down = tensors["up"], tensors["down"]
    require(up.ndim >= 2 and down.ndim >= 2, tensors, "up", "down")
    rank = down.shape[0]
    scale = read_scale(tensors, rank)
    if "mid" in tensors:
        return LowRank(up, _with_core(tensors), scale), used(tensors, "up", "down", "mid")
    require(math.prod(up.shape[1:]) == rank, tensors, "up", "down")
    return LowRank(up, down, scale), used(tensors, "up", "down")


def _with_core(tensors: Roles) -> Tensor:
    """`down` (rank, in, 1, 1) times the core `mid` (up's rank, rank, *kernel): (up's rank, in, *kernel)."""
    up, down, mid = tensors["up"], tensors["down"], tensors["mid"]
    fits = mid.ndim >= 3 and mid.shape[1] == down.shape[0] and mid.shape[0] == math.prod(up.shape[1:])
    require(fits and math.prod(down.shape[2:]) == 1, tensors, "mid", "up", "down")
    return times_core(mid, down.flatten(1), "mid")


def _embedding(tensors: Roles) -> tuple[LowRank, set[str]]:
    """PEFT's embeddings: A is (rank, tokens), B is (width, rank), ΔW = scale · (B @ A)ᵀ, (tokens, width)."""
    a, b = tensors["embedding_a"], tensors["embedding_b"]
    require(a.ndim == b.ndim == 2 and a.shape[0] == b.shape[1], tensors, "embedding_a", "embedding_b")
    adapter = LowRank(a.T.contiguous(), b.T.contiguous(), read_scale(tensors, a.shape[0]))
    return adapter, used(tensors, "embedding_a", "embedding_b")


KIND = AdapterKind(
    from_roles,
    (LowRank, LowRankRun),
    suffixes={".lora_mid.weight": "mid"},
    peft={
        "lora_A": "down",
        "lora_B": "up",
        "lora_embedding_A": "embedding_a",
        "lora_embedding_B": "embedding_b",
    },
    input_width=inputs_of("down"),
    rank_roles=("down", "embedding_a"),
    least_axes={"mid": 3, **dict.fromkeys(("up", "down", "embedding_a", "embedding_b"), 2)},
)
"""The pairs themselves have many spellings, which reading/key_names.py lists."""
