"""OFT and BOFT: the weight turned by orthogonal blocks, W' = rescale ⊙ (M·W).

Each block is a Cayley transform, R = (I + Q)(I − Q)⁻¹ of Q = blocks − blocksᵀ, and at strength s stands for
(1 − s)·I + s·R (Qiu et al. 2023; LyCORIS modules/diag_oft.py and boft.py `make_weight`). alpha is no scale
here but a bound on ‖Q‖, kept by the trainers as bound / out (sd-scripts networks/oft.py, LyCORIS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .change import Reorder
from .roles import Roles, read_number, require, used

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Turn:
    """Blocks (…, number, size, size) along the outputs; number · size = out."""

    needs_weight: ClassVar[bool] = True

    blocks: Tensor
    rescale: Tensor | None  # (out,)
    bound: float  # of ‖Q‖; 0 is none

    @property
    def rank(self) -> None:
        return None

    @property
    def change_shape(self) -> None:
        return None

    @property
    def out(self) -> int:
        return self.blocks.shape[-3] * self.blocks.shape[-2]


@dataclass(frozen=True, eq=False)
class OFT(_Turn):
    """One stage: blocks (number, size, size)."""

    kind: ClassVar[str] = "OFT"
    unlike_host: ClassVar[str] = (
        "turned once by the strength, with bound and rescale, as in LyCORIS; "
        "ComfyUI squares the strength, drops rescale and misreads the bound"
    )

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 2 and shape[0] == self.out

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the rows of `weight` in place."""
        turn = _interpolated(self.blocks.to(weight.device), self.bound, strength).mT
        if self.rescale is not None:
            turn = turn * self.rescale.to(turn).view(self.blocks.shape[0], -1, 1)
        turned = torch.bmm(turn.to(dtype), _stacked(weight, reorder, dtype, self.blocks.shape[0]))
        return _put_back(weight, turned, reorder)


@dataclass(frozen=True, eq=False)
class BOFT(_Turn):
    """Blocks (stages, number, size, size); each stage turns groups of rows further apart than the last."""

    kind: ClassVar[str] = "BOFT"
    unlike_host: ClassVar[str] = (
        "every stage turned once by the strength, as in LyCORIS; "
        "ComfyUI applies the strength twice, misreads the bound, and applies nothing without alpha"
    )

    def fits(self, shape: tuple[int, ...]) -> bool:
        stages, _, size, _ = self.blocks.shape
        return len(shape) >= 2 and shape[0] == self.out and self.out % (2 ** (stages - 1) * size) == 0

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the rows of `weight` in place, stage by stage."""
        stages, number, size, _ = self.blocks.shape
        turns = _interpolated(self.blocks.to(weight.device), self.bound, strength).to(dtype)
        rows = _stacked(weight, reorder, dtype, 1)[0]
        for stage in range(stages):
            # Rows (c, 2, k) are met as (c, k, 2): at stage i those 2^i · size / 2 apart come together.
            pairs = rows.view(-1, 2, 2**stage * size // 2, rows.shape[1]).transpose(1, 2)
            turned = torch.bmm(turns[stage], pairs.reshape(number, size, -1))
            rows = turned.view(pairs.shape).transpose(1, 2).reshape(rows.shape)
        if self.rescale is not None:
            rows = rows * self.rescale.to(rows).view(-1, 1)
        return _put_back(weight, rows, reorder)


def _interpolated(blocks: Tensor, bound: float, strength: float) -> Tensor:
    """(1 − s)·I + s·R for every block, in float32: half precision has no inverse."""
    blocks = blocks.float()
    q = blocks - blocks.mT
    if bound > 0:
        q = q * (bound / torch.linalg.vector_norm(q).clamp_min(bound))
    identity = torch.eye(q.shape[-1], device=q.device)
    rotation = torch.linalg.solve(identity - q, identity + q, left=False)
    return torch.lerp(identity.expand_as(rotation), rotation, strength)


def _stacked(weight: Tensor, reorder: Reorder | None, dtype: torch.dtype, number: int) -> Tensor:
    """The weight in the order its blocks know, as (number, out / number, in · kernel)."""
    ordered = weight if reorder is None else reorder(weight)
    return ordered.to(dtype).reshape(number, weight.shape[0] // number, -1)


def _put_back(weight: Tensor, turned: Tensor, reorder: Reorder | None) -> Tensor:
    turned = turned.view(weight.shape)
    return weight.copy_(turned if reorder is None else reorder(turned))


def from_roles(tensors: Roles) -> tuple[OFT | BOFT, set[str]] | None:
    """The OFT or BOFT of a layer and the roles it used, or None."""
    if "oft_blocks" not in tensors:
        return None
    blocks = tensors["oft_blocks"]
    square = blocks.ndim in (3, 4) and blocks.shape[-1] == blocks.shape[-2]
    require(square and (blocks.ndim == 3 or blocks.shape[-1] % 2 == 0), tensors, "oft_blocks")
    out = blocks.shape[-3] * blocks.shape[-2]
    rescale = None
    if "rescale" in tensors:
        rescale = tensors["rescale"].flatten()
        require(rescale.numel() == out, tensors, "oft_blocks", "rescale")
    bound = read_number(tensors, "alpha") * out if "alpha" in tensors else 0.0
    made = (OFT if blocks.ndim == 3 else BOFT)(blocks, rescale, max(bound, 0.0))
    return made, used(tensors, "oft_blocks", "rescale")
