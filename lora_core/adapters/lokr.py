"""LoKr: ΔW = scale · w1 ⊗ w2, a Kronecker product (LyCORIS functional/lokr.py).

w1 is (o1, i1), w2 is (o2, i2, *kernel), out = o1·o2, in = i1·i2. Each is stored whole or as two factors,
w2 of a convolution also with a Tucker core. `scale` is alpha / rank of what is factored, and 1 where nothing
is: LyCORIS writes no meaningful alpha then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind, RoleShapes
from .change import Reorder, add_change, blockwise, energy, product_energy, product_rows
from .roles import (
    BadTensors,
    Roles,
    has_all,
    matrix_shape,
    read_number,
    read_scale,
    require,
    times_core,
    used,
)

if TYPE_CHECKING:
    from torch import Tensor

_ROLES = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")


@dataclass(frozen=True, eq=False)
class LoKr(Adapter):
    """`left` is w1 (o1, i1), `right` is w2 (o2, i2 · kernel); each is a product where a second factor is."""

    kind: ClassVar[str] = "LoKr"
    takes_lengths: ClassVar[bool] = True

    left: Tensor
    left_b: Tensor | None
    right: Tensor
    right_b: Tensor | None
    scale: float

    @property
    def rank(self) -> int | None:
        factor = self.right_b if self.right_b is not None else self.left_b
        return None if factor is None else factor.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        inputs = [last if last is not None else first for first, last in self._halves]
        return self.left.shape[0] * self.right.shape[0], inputs[0].shape[1] * inputs[1].shape[1]

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength · scale · w1 ⊗ w2 to `weight` in place, without building the product where it can."""
        left, right = self.halves(weight.device, dtype)
        blocks = blockwise(weight, left.shape[0], right.shape[0], left.shape[1], right.shape[1])
        if reorder is None and weight.dtype == dtype and blocks is not None:
            blocks.addcmul_(left[:, None, :, None], right[None, :, None, :], value=strength * self.scale)
            return weight
        return add_change(weight, torch.kron(left, right), strength * self.scale, reorder)

    def energy(self, dtype: torch.dtype) -> float:
        left, right = (
            energy(a.to(dtype)) if b is None else product_energy(a.to(dtype), b.to(dtype))
            for a, b in self._halves
        )
        return self.scale**2 * left * right

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        below = self.right.shape[0]
        left = product_rows(self.left, self.left_b, rows // below, dtype)
        right = product_rows(self.right, self.right_b, rows % below, dtype)
        return (left[:, :, None] * right[:, None, :]).flatten(1).mul_(self.scale)

    def kronecker(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        left, right = self.halves(device, torch.float32)
        return left.mul(self.scale).to(dtype), right.to(dtype)

    def halves(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """w1 (o1, i1) and w2 (o2, i2 · kernel), the scale left out."""
        left, right = (_whole(first, last, device, dtype) for first, last in self._halves)
        return left, right

    @property
    def _halves(self) -> tuple[tuple[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]:
        return (self.left, self.left_b), (self.right, self.right_b)


def _whole(first: Tensor, last: Tensor | None, device: torch.device, dtype: torch.dtype) -> Tensor:
    first = first.to(device, dtype, non_blocking=True)
    return first if last is None else torch.mm(first, last.to(device, dtype, non_blocking=True))


def from_roles(tensors: Roles) -> tuple[LoKr, set[str]] | None:
    """The LoKr of a layer and the roles it used, or None."""
    if not any(role in tensors for role in _ROLES):
        return None
    left, left_b = _half(tensors, "lokr_w1")
    right, right_b = _core_half(tensors) if "lokr_t2" in tensors else _half(tensors, "lokr_w2")
    factor = right_b if right_b is not None else left_b
    if factor is not None:
        scale = read_scale(tensors, factor.shape[0])
    else:
        scale = read_number(tensors, "scale") if "scale" in tensors else 1.0
    return LoKr(left, left_b, right, right_b, scale), used(tensors, *_ROLES)


def _half(tensors: Roles, name: str) -> tuple[Tensor, Tensor | None]:
    """One side as it is stored: whole, or its two factors. The kernel is folded into the inputs."""
    if name in tensors:
        require(tensors[name].ndim >= 2, tensors, name)
        return tensors[name].flatten(1), None
    if not has_all(tensors, f"{name}_a", f"{name}_b"):
        present = next(role for role in _ROLES if role in tensors)
        raise BadTensors(present, f"has no {name!r} beside it")
    a, b = tensors[f"{name}_a"].flatten(1), tensors[f"{name}_b"].flatten(1)
    require(a.shape[1] == b.shape[0], tensors, f"{name}_a", f"{name}_b")
    return a, b


def _core_half(tensors: Roles) -> tuple[Tensor, Tensor]:
    """w2 from its core (rank, rank, *kernel), a (rank, o2) and b (rank, i2), the core multiplied into b."""
    names = ("lokr_t2", "lokr_w2_a", "lokr_w2_b")
    has_all(tensors, *names)
    core, a, b = (tensors[name] for name in names)
    fits = core.ndim >= 3 and a.ndim == b.ndim == 2
    require(fits and core.shape[:2] == (a.shape[0], b.shape[0]), tensors, *names)
    return a.T.contiguous(), times_core(core, b, names[0]).flatten(1)


def _input_width(shapes: RoleShapes) -> int:
    left, right = (shapes.get(half) or shapes.get(f"{half}_b", ()) for half in ("lokr_w1", "lokr_w2"))
    return left[1] * right[1] if len(left) > 1 and len(right) > 1 else 0


KIND = AdapterKind(
    from_roles,
    (LoKr,),
    suffixes={f".{role}": role for role in _ROLES},
    peft={role: role for role in _ROLES},
    input_width=_input_width,
    rank_roles=("lokr_w2_b", "lokr_w1_b"),
    scaled_roles=("lokr_w1",),
    least_axes={**dict.fromkeys(_ROLES, 2), "lokr_t2": 3},
)
