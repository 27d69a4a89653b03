"""GLoRA: ΔW = (alpha / rank) · (W·a1·a2 + b1·b2), W·a along the inputs (LyCORIS modules/glora.py).

Older LyCORIS files store every factor transposed in its role: a1 and a2 changed places, and so did b1 and b2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind, RoleShapes
from .change import Reorder, add_product, to_weight
from .roles import Roles, has_all, matrix_shape, read_scale, require, times_core, used

if TYPE_CHECKING:
    from torch import Tensor

_ROLES = ("glora_a1", "glora_a2", "glora_b1", "glora_b2")


@dataclass(frozen=True, eq=False)
class GLoRA(Adapter):
    """a1 (in, rank), a2 (rank, in), b1 (out, rank), b2 (rank, in · kernel)."""

    kind: ClassVar[str] = "GLoRA"
    needs_weight: ClassVar[bool] = True
    takes_lengths: ClassVar[bool] = True

    a1: Tensor
    a2: Tensor
    b1: Tensor
    b2: Tensor
    scale: float

    @property
    def rank(self) -> int:
        return self.b2.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.b1.shape[0], self.b2.shape[1]

    def fits(self, shape: tuple[int, ...]) -> bool:
        takes_inputs = len(shape) >= 2 and shape[1] == self.a1.shape[0]
        return takes_inputs and matrix_shape(shape) == self.change_shape

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength · scale · (W·a1·a2 + b1·b2) to `weight` in place.

        W·a1·a2 mixes inputs alone, so it has the weight's order of rows already and is not reordered.
        """
        factor = strength * self.scale
        self._add_of_weight(weight, factor, dtype)
        b1, b2 = to_weight(self.b1, weight, dtype), to_weight(self.b2, weight, dtype)
        return add_product(weight, b1, b2, factor, reorder)

    def _add_of_weight(self, weight: Tensor, factor: float, dtype: torch.dtype) -> None:
        a1, a2 = to_weight(self.a1, weight, dtype), to_weight(self.a2, weight, dtype)
        if weight.ndim == 2:
            add_product(weight, torch.mm(weight.to(dtype), a1), a2, factor)
            return
        # One (in, kernel) matrix per output: W[o] += a2ᵀ · (a1ᵀ · W[o]).
        stacked = weight.reshape(*weight.shape[:2], -1).to(dtype)
        inner = torch.matmul(a1.T, stacked)
        if stacked.data_ptr() == weight.data_ptr():
            stacked.baddbmm_(a2.T.expand(len(stacked), -1, -1), inner, alpha=factor)
        else:
            weight.add_((torch.matmul(a2.T, inner) * factor).view(weight.shape))


def from_roles(tensors: Roles) -> tuple[GLoRA, set[str]] | None:
    """The GLoRA of a layer and the roles it used, or None."""
    if not has_all(tensors, *_ROLES):
        return None
    a1, a2, b1, b2 = (tensors[role].flatten(1) for role in _ROLES)
    if not _fits(a1, a2, b1, b2):
        a1, a2, b1, b2 = a2, a1, b2, b1
    require(_fits(a1, a2, b1, b2), tensors, *_ROLES)
    scale = read_scale(tensors, b2.shape[0])
    roles = used(tensors, *_ROLES)
    if "glora_bm" in tensors:
        core, down = tensors["glora_bm"], b2
        require(core.ndim >= 3 and core.shape[:2] == (b1.shape[1], down.shape[0]), tensors, "glora_bm")
        b2 = times_core(core, down, "glora_bm").flatten(1)
        roles.add("glora_bm")
    return GLoRA(a1, a2, b1, b2, scale), roles


def _fits(a1: Tensor, a2: Tensor, b1: Tensor, b2: Tensor) -> bool:
    same_rank = a1.shape[1] == a2.shape[0] == b1.shape[1] == b2.shape[0]
    return same_rank and a1.shape[0] == a2.shape[1] and b2.shape[1] % a1.shape[0] == 0


def _input_width(shapes: RoleShapes) -> int:
    return max(shapes.get("glora_a1", ())[:2], default=0)  # (in, rank), or in older files (rank, in)


KIND = AdapterKind(
    from_roles,
    (GLoRA,),
    suffixes={f".{role.removeprefix('glora_')}.weight": role for role in (*_ROLES, "glora_bm")},
    input_width=_input_width,
    least_axes={**dict.fromkeys(_ROLES, 2), "glora_bm": 3},
)
