"""Plain LoRA: ΔW = (alpha / rank) · up @ down (Hu et al. 2021, section 4.1), alone and several at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """The factors of one layer, as stored in the file.

    `up` is (out, rank, …), `down` is (rank, in, *kernel); a convolution's `up` ends in (1, 1).
    """

    kind: ClassVar[str] = "LoRA"
    needs_weight: ClassVar[bool] = False

    up: Tensor
    down: Tensor
    scale: float  # alpha / rank

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.up.shape[0], math.prod(self.down.shape[1:])

    def apply(
        self,
        weight: Tensor,
        strength: float,
        dtype: torch.dtype,
        reorder: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Add strength · scale · up @ down to `weight` in place."""
        up = self.up.flatten(1).to(weight.device, dtype, non_blocking=True)
        down = self.down.flatten(1).to(weight.device, dtype, non_blocking=True)
        return add_product(weight, up, down, strength * self.scale, reorder)


@dataclass(frozen=True, eq=False)
class LowRankRun:
    """Several LoRAs of one weight as one product: ΔW = up @ diag(scales) @ down.

    `up` is (out, R), `down` is (R, in · kernel) in their stored dtype, R the sum of the ranks; `scales` is
    (R,) float32 and holds strength · alpha / rank of each row.
    """

    kind: ClassVar[str] = "LoRA"
    needs_weight: ClassVar[bool] = False

    up: Tensor
    down: Tensor
    scales: Tensor

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.up.shape[0], self.down.shape[1]

    def apply(
        self,
        weight: Tensor,
        strength: float,
        dtype: torch.dtype,
        reorder: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Add strength times the run to `weight` in place."""
        device = weight.device
        up = self.up.to(device, dtype, non_blocking=True)
        down = self.down.to(device, non_blocking=True)
        scales = self.scales.to(device, non_blocking=True).unsqueeze(1)
        # Scaling and casting in one kernel; the few rows of `down` are the smallest place to scale.
        down = torch.mul(down, scales, out=torch.empty(down.shape, dtype=dtype, device=device))
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
    if not parts[0].is_pinned():
        return torch.cat(list(parts), dim=dimension)
    shape = list(parts[0].shape)
    shape[dimension] = sum(part.shape[dimension] for part in parts)
    dtype = reduce(torch.promote_types, (part.dtype for part in parts))
    return torch.cat(list(parts), dim=dimension, out=torch.empty(shape, dtype=dtype, pin_memory=True))


def add_product(
    weight: Tensor,
    up: Tensor,
    down: Tensor,
    factor: float,
    reorder: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Add factor · up @ down to `weight` (out, in, *kernel), possibly a view, in place, and return it.

    One addmm when nothing stands between product and weight, so no full-size temporary is made.
    """
    if reorder is None and weight.dtype == up.dtype and weight.is_contiguous():
        weight.view(weight.shape[0], -1).addmm_(up, down, alpha=factor)
        return weight
    change = torch.mm(up, down).mul_(factor).view(weight.shape)
    return weight.add_(change if reorder is None else reorder(change))


def from_roles(tensors: Mapping[str, Tensor]) -> tuple[LowRank, set[str]] | None:
    """The LowRank of a layer and the roles it used, or None where there is no plain pair.

    A missing alpha means scale 1, as in the host (comfy/weight_adapter/lora.py) and in PEFT files.
    Raises ValueError, with the reason, when the factors do not belong together.
    """
    if "up" not in tensors or "down" not in tensors:
        return None
    up, down = tensors["up"], tensors["down"]
    if up.ndim < 2 or down.ndim < 2:
        raise ValueError(
            f"up {tuple(up.shape)} and down {tuple(down.shape)} must have two dimensions or more"
        )
    rank = down.shape[0]
    if math.prod(up.shape[1:]) != rank:
        raise ValueError(f"up {tuple(up.shape)} and down {tuple(down.shape)} disagree about the rank")
    alpha = tensors.get("alpha")
    scale = 1.0 if alpha is None else float(alpha) / rank
    return LowRank(up, down, scale), {"up", "down", "alpha"} & tensors.keys()
