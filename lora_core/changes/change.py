"""What a stack does to one weight, as factors or as a whole difference.

Everything that adds a product of two matrices stays one: plain LoRAs lie side by side along the rank, a
Kronecker product of products is a product of Kronecker products, and a LoHa of rank r is a product of rank
r² (each column of one half times each column of the other: the transposed Khatri-Rao product). All else is
computed as a difference, which for kinds that depend on the weight takes the weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch

from ..adapters import Adapter, InParts, LoKr
from ..applying import Step, take_steps

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class WeightChange:
    """ΔW of one weight of `shape` (out, in, *kernel), in float32: up @ down + difference.

    `up` is (out, R), `down` is (R, in · kernel), R may be 0; `difference` has the weight's shape, or is None.
    """

    shape: tuple[int, ...]
    up: Tensor
    down: Tensor
    difference: Tensor | None = None

    @property
    def rank(self) -> int:
        """R."""
        return self.up.shape[1]

    def full(self) -> Tensor:
        """ΔW as one tensor."""
        change = (self.up @ self.down).view(self.shape)
        return change if self.difference is None else change.add_(self.difference)

    def as_factors(self) -> WeightChange:
        """The same with no difference: the factors come from the singular values of the whole."""
        if self.difference is None:
            return self
        u, s, v = torch.linalg.svd(self.full().flatten(1), full_matrices=False)
        kept = int((s > s.max() * torch.finfo(torch.float32).eps).sum()) if s.numel() else 0
        return WeightChange(self.shape, u[:, :kept] * s[:kept], v[:kept])


def needs_weight(steps: Iterable[Step]) -> list[str]:
    """The kinds among the steps whose change depends on the weight it meets."""
    return [*dict.fromkeys(step.adapter.kind for step in steps if step.adapter.needs_weight)]


def change_of(steps: Sequence[Step], shape: tuple[int, ...], weight: Tensor | None = None) -> WeightChange:
    """The change that `steps`, in their order, make to a weight of `shape`.

    `weight` is only read, and only where `needs_weight` says so. Raises ValueError where it is missing.
    """
    if needs_weight(steps):
        if weight is None:
            raise ValueError("a change that depends on the weight takes the weight")
        return _by_applying(steps, shape, weight.to(torch.float32))
    ups: list[Tensor] = []
    downs: list[Tensor] = []
    rest: list[Step] = []
    for step in steps:
        factors = _factors(step.adapter, shape)
        if factors is None or (step.target.function is not None and factors[0].shape[0] != shape[0]):
            rest.append(step)
            continue
        up, down = _placed(factors, step, shape)
        ups.append(up * step.strength)
        downs.append(down)
    up = torch.cat(ups, 1) if ups else torch.zeros(shape[0], 0)
    down = torch.cat(downs, 0) if downs else torch.zeros(0, prod(shape[1:]))
    if not rest:
        return WeightChange(shape, up, down)
    return WeightChange(shape, up, down, _by_applying(rest, shape, torch.zeros(shape)).difference)


def _by_applying(steps: Sequence[Step], shape: tuple[int, ...], weight: Tensor) -> WeightChange:
    changed = take_steps(weight.clone(), steps)
    none = torch.zeros(shape[0], 0), torch.zeros(0, prod(shape[1:]))
    return WeightChange(shape, *none, changed.sub_(weight))


def _factors(adapter: Adapter, shape: tuple[int, ...]) -> tuple[Tensor, Tensor] | None:
    """`up` (out, R) and `down` (R, columns) whose product is the change at strength 1; None where there are
    none, or where they are made for the purpose and no smaller than the difference.
    """
    if isinstance(adapter, InParts):
        return _in_parts(adapter, shape)
    if isinstance(adapter, LoKr):
        up, down = _kronecker(adapter)
        return (up, down) if _is_smaller(up.shape[1], adapter) else None
    rank = adapter.product_rank
    if rank is None or (rank != adapter.rank and not _is_smaller(rank, adapter)):
        return None
    up, down, scale = adapter.factors()
    return up.to(torch.float32) * scale, down.to(torch.float32)


def _is_smaller(rank: int, adapter: Adapter) -> bool:
    """Whether factors of this rank have fewer numbers than their product."""
    out, columns = adapter.change_shape or (0, 0)
    return rank * (out + columns) < out * columns


def _kronecker(adapter: LoKr) -> tuple[Tensor, Tensor]:
    """(A·B) ⊗ (C·D) = (A ⊗ C) · (B ⊗ D); a half that is stored whole is itself times 1."""
    pairs = []
    for first, last in ((adapter.left, adapter.left_b), (adapter.right, adapter.right_b)):
        first = first.to(torch.float32)
        if last is not None:
            pairs.append((first, last.to(torch.float32)))
        elif first.shape[0] <= first.shape[1]:
            pairs.append((torch.eye(first.shape[0]), first))
        else:
            pairs.append((first, torch.eye(first.shape[1])))
    (a, b), (c, d) = pairs
    return torch.kron(a.contiguous(), c.contiguous()) * adapter.scale, torch.kron(
        b.contiguous(), d.contiguous()
    )


def _in_parts(adapter: InParts, shape: tuple[int, ...]) -> tuple[Tensor, Tensor] | None:
    """Rows or columns at strengths of their own are rows of `up`, or columns of `down`, so multiplied."""
    inner = _factors(adapter.inner, shape)
    along = {dimension for dimension, *_ in adapter.parts}
    if inner is None or len(along) != 1 or (along == {1} and len(shape) > 2):
        return None
    up, down = inner
    (dimension,) = along
    numbers = torch.zeros(up.shape[0] if dimension == 0 else down.shape[1])
    for _, start, length, number in adapter.parts:
        numbers[start : start + length] = number
    return (up * numbers[:, None], down) if dimension == 0 else (up, down * numbers)


def _placed(factors: tuple[Tensor, Tensor], step: Step, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The factors of a slice as those of the whole weight, zero elsewhere."""
    up, down = factors
    if step.target.function is not None:
        up = step.target.function(up)
    if step.target.offset is None:
        return up, down
    dimension, start, length = step.target.offset
    if dimension == 0:
        whole = torch.zeros(shape[0], up.shape[1])
        whole[start : start + length] = up
        return whole, down
    kernel = prod(shape[2:])
    wide = torch.zeros(down.shape[0], shape[1] * kernel)
    wide[:, start * kernel : (start + length) * kernel] = down
    return up, wide
