"""Additive adapters made into the terms of a module, on its device and in its dtype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from ..adapters import Factors
from ..applying import Foreign
from .plan import LivePart
from .site import Site, Slice
from .terms import BiasTerm, DeltaTerm, KroneckerTerm, LowRankTerm, Numbers, Term


def make_terms(site: Site, parts: Sequence[LivePart], device: torch.device, dtype: torch.dtype) -> list[Term]:
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

    @property
    def _is_plain(self) -> bool:
        """Whether every output reads every input."""
        return getattr(self.site.module, "groups", 1) == 1

    def factors(self, part: LivePart) -> Factors | None:
        """The part as low-rank factors, where it has any that are small enough."""
        if part.parameter == "bias" or not self._is_plain or isinstance(part.adapter, Foreign):
            return None
        rank, shape = part.adapter.product_rank, part.adapter.change_shape
        if rank is None or shape is None:
            return None
        # A product that is none in the file is worth it where it is smaller than the whole change.
        is_small = rank == part.adapter.rank or 2 * rank * sum(shape) <= prod(shape)
        return part.adapter.factors() if is_small else None

    def low_rank(self, parts: Sequence[tuple[LivePart, Factors]]) -> LowRankTerm:
        downs: list[Tensor] = []
        ups: list[tuple[Slice, int, int, Tensor]] = []
        place = 0
        # Parts of one slice side by side, so that each slice is one product up.
        parts = sorted(parts, key=lambda pair: str(_rows(pair[0])))
        for part, factors in parts:
            down = self._moved(factors.down).view(factors.rank, -1, *self.site.shape[2:])
            downs.append(self._widened(down, part.target.offset))
            up = self._moved(factors.up)
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

    def biases(self, parts: Sequence[LivePart]) -> BiasTerm:
        changes = torch.zeros(len(parts), self.site.shape[0], device=self.device)
        for change, part in zip(changes, parts, strict=True):
            self._apply(part, change)
        return BiasTerm(self.site, changes.to(self.dtype), self._numbers([(p, 1.0, 1) for p in parts]))

    def other(self, part: LivePart) -> DeltaTerm | KroneckerTerm:
        numbers, place = self._numbers([(part, 1.0, 1)]), part.target.offset
        assert not isinstance(part.adapter, Foreign)
        halves = part.adapter.kronecker(self.device, self.dtype) if self._is_plain else None
        if halves is not None:
            left, right = halves
            right = right.view(right.shape[0], -1, *self.site.shape[2:])
            return KroneckerTerm(self.site, place, part.target.function, left, right, numbers)
        shape = list(self.site.shape)
        if place is not None:
            shape[place[0]] = place[2]
        change = torch.zeros(shape, device=self.device)
        part.adapter.apply(change, 1.0, torch.float32, part.target.function)
        return DeltaTerm(self.site, place, change.to(self.dtype), numbers)

    def _apply(self, part: LivePart, whole: Tensor) -> None:
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

    def _numbers(self, items: Sequence[tuple[LivePart, float, int]]) -> Numbers:
        """One number for every rank of every part."""
        entries = [part.entry for part, _, rank in items for _ in range(rank)]
        scales = [scale * part.factor for part, scale, rank in items for _ in range(rank)]
        return Numbers(self.site, torch.tensor(entries), torch.tensor(scales), self.device, self.dtype)


def _rows(part: LivePart) -> Slice:
    place = part.target.offset
    return place if place is not None and place[0] == 0 else None
