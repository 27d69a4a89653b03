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
from torch import Tensor

from ..adapters import Reorder
from .site import Site, Slice
from .strengths import Rows, Strengths


class Term(Protocol):
    """A change of one module's output, on its device."""

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, rows: Rows) -> Tensor:
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

    def at(self, strengths: Strengths, x: Tensor, rows: Rows) -> Tensor | None:
        """(rows, R) or (1, R), or None where all of them are 0."""
        count = x.shape[0] if x.ndim > 1 + self.site.spatial else 1
        last = self._last
        if last is None or last[0] is not strengths or last[1] != count:
            values = strengths.only(sorted(set(self.entries.tolist())))
            if not values.values.any():
                made = None
            else:
                spread = (
                    strengths.values if values.is_shared else strengths.spread(count, self.site.path, rows)
                )
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

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, rows: Rows) -> Tensor:
        factors = self.numbers.at(strengths, x, rows)
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

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, rows: Rows) -> Tensor:
        factors = self.numbers.at(strengths, x, rows)
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

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, rows: Rows) -> Tensor:
        factors = self.numbers.at(strengths, x, rows)
        if factors is None:
            return out
        site, i1 = self.site, self.left.shape[1]
        x = site.part_of(x.to(self.left.dtype), self.place, 1)
        if site.spatial:
            batch = x.shape[: -1 - site.spatial]
            groups = x.reshape(-1, x.shape[site.channels(x)] // i1, *x.shape[-site.spatial :])
            made = site.apply(self.right, groups)
            sizes = made.shape[-site.spatial :]
            made = torch.matmul(self.left, made.reshape(*batch, i1, -1)).reshape(*batch, -1, *sizes)
        else:
            groups = x.reshape(*x.shape[:-1], i1, -1)
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

    def add(self, out: Tensor, x: Tensor, strengths: Strengths, rows: Rows) -> Tensor:
        factors = self.numbers.at(strengths, x, rows)
        return out if factors is None else out.add_(self.site.spread(factors @ self.changes, out))
