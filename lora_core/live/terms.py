"""What additive adapters add to a module's output: s · ΔW · x, without ΔW wherever there are factors.

All low-rank parts of a module are one product down, one scaling of its rows by the strengths, and one product
up per slice, added into the output in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adapters import Reorder
from ..adapters.loha import LoHa
from ..adapters.lokr import LoKr
from ..adapters.low_rank import LowRank
from ..patch import Foreign
from .plan import Part
from .strengths import Strengths
from .surroundings import Surroundings

Slice = tuple[int, int, int] | None


@dataclass(frozen=True)
class Site:
    """A module whose output is linear in its weight, and how its tensors lie."""

    module: nn.Module
    path: str
    shape: tuple[int, ...]  # of the weight, whatever form it is stored in
    spatial: int  # dimensions of a convolution, 0 of a linear layer
    surroundings: Surroundings

    @classmethod
    def of(cls, module: nn.Module, path: str, surroundings: Surroundings) -> Site | None:
        """None where a change of the weight is not one of the output, or nobody knows."""
        if isinstance(module, nn.Linear) or _is_like_linear(module):
            return cls(module, path, (int(module.out_features), int(module.in_features)), 0, surroundings)  # type: ignore[call-overload]
        if isinstance(module, nn.modules.conv._ConvNd) and not module.transposed:
            shape = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
            return cls(module, path, shape, len(module.kernel_size), surroundings)
        return None

    def channels(self, tensor: Tensor) -> int:
        """The dimension its channels lie along."""
        return tensor.ndim - 1 - self.spatial

    def part_of(self, tensor: Tensor, place: Slice, along: int) -> Tensor:
        """The channels of a slice of the weight: of an output along 0, of an input along 1."""
        if place is None or place[0] != along:
            return tensor
        return tensor.narrow(self.channels(tensor), place[1], place[2])

    def apply(self, weight: Tensor, x: Tensor) -> Tensor:
        """The module's output with another weight and no bias."""
        if not self.spatial:
            return F.linear(x, weight)
        return self.surroundings.run(self.module, {"weight": weight, "bias": None}, ((x,), {}))

    def spread(self, factors: Tensor, out: Tensor) -> Tensor:
        """(rows, channels) shaped to multiply `out`."""
        ones = [1] * (out.ndim - 2 - self.spatial)
        return factors.view(factors.shape[0], *ones, factors.shape[1], *[1] * self.spatial)


def _is_like_linear(module: nn.Module) -> bool:
    sizes = (getattr(module, "in_features", None), getattr(module, "out_features", None))
    return all(isinstance(size, int) for size in sizes) and not list(module.children())


class Term(Protocol):
    """A change of one module's output, on its device."""

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, is_folded: bool) -> Tensor:
        """Add it to `out` in place where `out` lets it, and return the sum."""
        ...


@dataclass(eq=False)
class Numbers:
    """Strength times scale of each of several numbers, per row of the batch; kept while strengths last."""

    site: Site
    entries: Tensor  # (R,) which entry each belongs to
    scales: Tensor  # (R,)
    device: torch.device
    dtype: torch.dtype
    _last: tuple[Strengths, int, Tensor | None] | None = field(default=None, init=False)

    def at(self, strengths: Strengths, x: Tensor, is_folded: bool) -> Tensor | None:
        """(rows, R) or (1, R), or None where all of them are 0."""
        count = x.shape[0] if x.ndim > 1 + self.site.spatial else 1
        last = self._last
        if last is None or last[0] is not strengths or last[1] != count:
            values = strengths.only(sorted(set(self.entries.tolist())))
            if not values.values.any():
                made = None
            else:
                spread = strengths.values if values.is_shared else strengths.spread(count, self.site.path, is_folded)
                made = spread[self.entries].mul(self.scales.unsqueeze(1)).T
                made = (made[:1] if values.is_shared else made).contiguous().to(self.device, self.dtype)
            last = self._last = (strengths, count, made)
        return last[2]


@dataclass(eq=False)
class LowRankTerm:
    """All factors of a module: `down` of all of them, and the rows of `ups` each slice takes."""

    site: Site
    down: Tensor
    ups: Sequence[tuple[Slice, int, int, Tensor]]  # slice of the output, first and last row of down, up
    numbers: Numbers

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, is_folded: bool) -> Tensor:
        factors = self.numbers.at(strengths, x, is_folded)
        if factors is None:
            return out
        inner = self.site.apply(self.down, x.to(self.down.dtype))
        inner = inner.mul_(self.site.spread(factors, inner))
        channels = self.site.channels(inner)
        for place, first, last, up in self.ups:
            part = inner.narrow(channels, first, last - first)
            _add_product(self.site.part_of(out, place, 0), up, part, self.site.spatial)
        return out


def _add_product(out: Tensor, up: Tensor, inner: Tensor, spatial: int) -> None:
    """out += up · inner over the channels, in place."""
    if spatial:
        first = inner.ndim - spatial
        flat = inner.flatten(first)
        if flat.ndim == 3 and _can_merge(out, first, out.ndim - 1):
            out.flatten(first).baddbmm_(up.expand(len(out), -1, -1), flat)
        else:
            out.add_(torch.matmul(up, flat).view(out.shape))
    elif out.ndim > 1 and _can_merge(out, 0, out.ndim - 2):
        out.flatten(0, -2).addmm_(inner.flatten(0, -2), up.T)
    else:
        out.add_(F.linear(inner, up))


def _can_merge(tensor: Tensor, first: int, last: int) -> bool:
    """Whether dimensions first to last are one in memory, so that flattening them makes no copy."""
    return all(tensor.stride(d) == tensor.stride(d + 1) * tensor.shape[d + 1] for d in range(first, last))


@dataclass(eq=False)
class DeltaTerm:
    """A change that has no small factors, as a tensor of the slice's size."""

    site: Site
    place: Slice
    change: Tensor
    numbers: Numbers

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, is_folded: bool) -> Tensor:
        factors = self.numbers.at(strengths, x, is_folded)
        if factors is None:
            return out
        site = self.site
        made = site.apply(self.change, site.part_of(x.to(self.change.dtype), self.place, 1))
        site.part_of(out, self.place, 0).addcmul_(made, site.spread(factors, made))
        return out


@dataclass(eq=False)
class KroneckerTerm:
    """w1 ⊗ w2 by its halves: w2 on every group of inputs, then w1 across the groups."""

    site: Site
    place: Slice
    reorder: Reorder | None
    left: Tensor  # (o1, i1)
    right: Tensor  # (o2, i2, *kernel)
    numbers: Numbers

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, is_folded: bool) -> Tensor:
        factors = self.numbers.at(strengths, x, is_folded)
        if factors is None:
            return out
        site, (o1, i1) = self.site, self.left.shape
        x = site.part_of(x.to(self.left.dtype), self.place, 1)
        if site.spatial:
            batch = x.shape[:-1 - site.spatial]
            groups = x.reshape(-1, x.shape[site.channels(x)] // i1, *x.shape[-site.spatial:])
            made = site.apply(self.right, groups)
            sizes = made.shape[-site.spatial:]
            made = torch.matmul(self.left, made.reshape(*batch, i1, -1)).reshape(*batch, -1, *sizes)
        else:
            groups = x.unflatten(-1, (i1, -1))
            made = torch.matmul(self.left, F.linear(groups, self.right)).flatten(-2)
        if self.reorder is not None:
            channels = site.channels(made)
            made = self.reorder(made.movedim(channels, 0)).movedim(0, channels)
        site.part_of(out, self.place, 0).addcmul_(made, site.spread(factors, made))
        return out


@dataclass(eq=False)
class BiasTerm:
    """Changes of the bias."""

    site: Site
    changes: Tensor  # (number of them, out)
    numbers: Numbers

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, is_folded: bool) -> Tensor:
        factors = self.numbers.at(strengths, x, is_folded)
        return out if factors is None else out.add_(self.site.spread(factors @ self.changes, out))


def make_terms(site: Site, parts: Sequence[Part], device: torch.device, dtype: torch.dtype) -> list[Term]:
    """The terms of additive parts of a module, on its device."""
    makers = _Maker(site, device, dtype)
    low_rank = [(part, pair) for part in parts if (pair := makers.factors(part)) is not None]
    known = {id(part) for part, _ in low_rank}
    biases = [part for part in parts if part.parameter == "bias"]
    terms: list[Term] = [makers.low_rank(low_rank)] if low_rank else []
    terms += [makers.biases(biases)] if biases else []
    return terms + [makers.other(p) for p in parts if p.parameter != "bias" and id(p) not in known]


@dataclass(frozen=True)
class _Maker:
    site: Site
    device: torch.device
    dtype: torch.dtype

    def factors(self, part: Part) -> LowRank | None:
        """The part as low-rank factors, where it has any that are small enough."""
        if part.parameter == "bias" or getattr(self.site.module, "groups", 1) != 1:
            return None
        if isinstance(part.adapter, LoHa):
            return _khatri_rao(part.adapter)
        return part.adapter if isinstance(part.adapter, LowRank) else None

    def low_rank(self, parts: Sequence[tuple[Part, LowRank]]) -> LowRankTerm:
        downs, ups, place = [], [], 0
        # Parts of one slice side by side, so that each slice is one product up.
        parts = sorted(parts, key=lambda pair: str(_rows(pair[0])))
        for part, factors in parts:
            down = self._moved(factors.down.flatten(1)).view(factors.rank, -1, *self.site.shape[2:])
            downs.append(self._widened(down, part.target.offset))
            up = self._moved(factors.up.flatten(1))
            up = up if part.target.function is None else part.target.function(up)
            rows = _rows(part)
            if ups and ups[-1][0] == rows:
                _, first, last, before = ups.pop()
                ups.append((rows, first, last + factors.rank, torch.cat([before, up], dim=1)))
            else:
                ups.append((rows, place, place + factors.rank, up))
            place += factors.rank
        ranks = [(part, factors.scale, factors.rank) for part, factors in parts]
        return LowRankTerm(self.site, torch.cat(downs), ups, self._numbers(ranks))

    def biases(self, parts: Sequence[Part]) -> BiasTerm:
        changes = torch.zeros(len(parts), self.site.shape[0], device=self.device)
        for change, part in zip(changes, parts, strict=True):
            self._apply(part, change)
        return BiasTerm(self.site, changes.to(self.dtype), self._numbers([(p, 1.0, 1) for p in parts]))

    def other(self, part: Part) -> DeltaTerm | KroneckerTerm:
        numbers, place = self._numbers([(part, 1.0, 1)]), part.target.offset
        if isinstance(part.adapter, LoKr) and getattr(self.site.module, "groups", 1) == 1:
            left, right = part.adapter.halves(self.device, torch.float32)
            left = left.mul(part.adapter.scale).to(self.dtype)
            right = right.to(self.dtype).view(right.shape[0], -1, *self.site.shape[2:])
            return KroneckerTerm(self.site, place, part.target.function, left, right, numbers)
        shape = list(self.site.shape)
        if place is not None:
            shape[place[0]] = place[2]
        change = torch.zeros(shape, device=self.device)
        assert not isinstance(part.adapter, Foreign)
        part.adapter.apply(change, 1.0, torch.float32, part.target.function)
        return DeltaTerm(self.site, place, change.to(self.dtype), numbers)

    def _apply(self, part: Part, whole: Tensor) -> None:
        place = part.target.offset
        view = whole if place is None else whole.narrow(*place)
        assert not isinstance(part.adapter, Foreign)
        part.adapter.apply(view, 1.0, torch.float32, part.target.function)

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype, non_blocking=True)

    def _widened(self, down: Tensor, place: Slice) -> Tensor:
        """A slice's inputs among all of the module's."""
        if place is None or place[0] != 1:
            return down
        wide = down.new_zeros(down.shape[0], self.site.shape[1], *down.shape[2:])
        wide.narrow(1, place[1], place[2]).copy_(down)
        return wide

    def _numbers(self, items: Sequence[tuple[Part, float, int]]) -> Numbers:
        """One number for every rank of every part."""
        entries = [part.entry for part, _, rank in items for _ in range(rank)]
        scales = [scale * part.factor for part, scale, rank in items for _ in range(rank)]
        return Numbers(self.site, torch.tensor(entries), torch.tensor(scales), self.device, self.dtype)


def _rows(part: Part) -> Slice:
    place = part.target.offset
    return place if place is not None and place[0] == 0 else None


def _khatri_rao(loha: LoHa) -> LowRank | None:
    """A LoHa as factors of rank r1·r2, (A₁B₁) ⊙ (A₂B₂) = (A₁ • A₂)(B₁ • B₂) with rows of A and columns of B
    multiplied each with each; None where the whole change is no larger.
    """
    out, inputs = loha.change_shape
    rank = loha.w1_b.shape[0] * loha.w2_b.shape[0]
    if 2 * rank * (out + inputs) > out * inputs:
        return None
    a1, b1, a2, b2 = (t.float() for t in (loha.w1_a, loha.w1_b, loha.w2_a, loha.w2_b))
    up = torch.einsum("op,oq->opq", a1, a2).flatten(1)
    down = torch.einsum("pi,qi->pqi", b1, b2).flatten(0, 1)
    return LowRank(up, down, loha.scale)
