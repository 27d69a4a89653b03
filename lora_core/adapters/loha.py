"""LoHa: ΔW = (alpha / rank) · (w1_a @ w1_b) ⊙ (w2_a @ w2_b) (Hyeon-Woo et al. 2022, FedPara, section 2.2).

The Tucker form of a convolution rebuilds each half from a core t (rank, rank, *kernel), a (rank, out) and
b (rank, in) (LyCORIS functional/loha.py); with the core multiplied into b it is the plain form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind, Factors, inputs_of
from .change import Reorder, add_change, product_rows, to_weight
from .roles import Roles, has_all, matrix_shape, read_scale, require, times_core, used

if TYPE_CHECKING:
    from torch import Tensor

_PLAIN = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_CORES = ("hada_t1", "hada_t2")


@dataclass(frozen=True, eq=False)
class LoHa(Adapter):
    """Two low-rank products, `a` (out, rank) and `b` (rank, in · kernel), multiplied number by number."""

    kind: ClassVar[str] = "LoHa"
    takes_lengths: ClassVar[bool] = True

    w1_a: Tensor
    w1_b: Tensor
    w2_a: Tensor
    w2_b: Tensor
    scale: float

    @property
    def rank(self) -> int:
        return self.w1_b.shape[0]

    @property
    def change_shape(self) -> tuple[int, int]:
        return self.w1_a.shape[0], self.w1_b.shape[1]

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength · scale · (w1_a @ w1_b) ⊙ (w2_a @ w2_b) to `weight` in place."""
        first = torch.mm(to_weight(self.w1_a, weight, dtype), to_weight(self.w1_b, weight, dtype))
        second = torch.mm(to_weight(self.w2_a, weight, dtype), to_weight(self.w2_b, weight, dtype))
        if reorder is None and weight.dtype == dtype:
            first, second = first.view(weight.shape), second.view(weight.shape)
            return weight.addcmul_(first, second, value=strength * self.scale)
        return add_change(weight, first.mul_(second), strength * self.scale, reorder)

    @property
    def product_rank(self) -> int:
        return self.w1_b.shape[0] * self.w2_b.shape[0]

    def factors(self) -> Factors:
        """Factors of rank r1·r2, (A₁B₁) ⊙ (A₂B₂) = (A₁ • A₂)(B₁ • B₂) with rows of A and columns of B
        multiplied each with each.
        """
        a1, b1, a2, b2 = (t.float() for t in (self.w1_a, self.w1_b, self.w2_a, self.w2_b))
        up = torch.einsum("op,oq->opq", a1, a2).flatten(1)
        down = torch.einsum("pi,qi->pqi", b1, b2).flatten(0, 1)
        return Factors(up, down, self.scale)

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        first = product_rows(self.w1_a, self.w1_b, rows, dtype)
        return first.mul_(product_rows(self.w2_a, self.w2_b, rows, dtype)).mul_(self.scale)


def from_roles(tensors: Roles) -> tuple[LoHa, set[str]] | None:
    """The LoHa of a layer and the roles it used, or None."""
    has_cores = has_all(tensors, *_CORES)
    if not has_all(tensors, *_PLAIN, *(_CORES if has_cores else ())):
        return None
    scale = read_scale(tensors, tensors["hada_w1_b"].shape[0])
    if has_cores:
        halves = [half for number in "12" for half in _tucker_half(tensors, number)]
    else:
        halves = [tensors[role].flatten(1) for role in _PLAIN]
    w1_a, w1_b, w2_a, w2_b = halves
    for number, a, b in (("1", w1_a, w1_b), ("2", w2_a, w2_b)):
        require(a.shape[1] == b.shape[0], tensors, f"hada_w{number}_a", f"hada_w{number}_b")
    require(w1_a.shape[0] == w2_a.shape[0] and w1_b.shape[1] == w2_b.shape[1], tensors, *_PLAIN)
    return LoHa(w1_a, w1_b, w2_a, w2_b, scale), used(tensors, *_PLAIN, *_CORES)


def _tucker_half(tensors: Roles, number: str) -> tuple[Tensor, Tensor]:
    """(out, rank) and (rank, in · kernel) of one half, its core multiplied in, in float32."""
    names = (f"hada_t{number}", f"hada_w{number}_a", f"hada_w{number}_b")
    core, a, b = (tensors[name] for name in names)
    fits = core.ndim >= 3 and a.ndim == b.ndim == 2
    require(fits and core.shape[:2] == (a.shape[0], b.shape[0]), tensors, *names)
    return a.T.contiguous(), times_core(core, b, names[0]).flatten(1)


KIND = AdapterKind(
    from_roles,
    (LoHa,),
    suffixes={f".{role}": role for role in (*_PLAIN, *_CORES)},
    peft={role: role for role in (*_PLAIN, *_CORES)},
    input_width=inputs_of("hada_w1_b"),
    rank_roles=("hada_w1_b",),
    least_axes={**dict.fromkeys(_PLAIN, 2), **dict.fromkeys(_CORES, 3)},
)
