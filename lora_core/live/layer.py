"""The live changes of one module, by whichever way its adapters allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .making import make_terms
from .plan import LivePart
from .site import Site
from .strengths import Rows, Strengths
from .surroundings import Surroundings
from .terms import Term


@dataclass(eq=False)
class LiveLayer:
    """What one stack does to one module."""

    module: nn.Module
    path: str
    parts: Sequence[LivePart]
    surroundings: Surroundings
    rows: Rows = "apart"
    _site: Site | None = field(init=False)
    _terms: tuple[torch.device, torch.dtype, list[Term]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        additive = not any(part.needs_weight for part in self.parts)
        known = all(part.parameter in ("weight", "bias") for part in self.parts)
        self._site = Site.of(self.module, self.path, self.surroundings) if additive and known else None

    @property
    def is_additive(self) -> bool:
        """Whether the changes can be added to the module's output."""
        return self._site is not None

    def prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        """Bring what an additive layer needs to its device, ahead of the first forward."""
        if self._site is not None:
            self._terms = (device, dtype, make_terms(self._site, self.parts, device, dtype))

    def add(self, out: Tensor, x: Tensor, strengths: Strengths) -> Tensor:
        """Add an additive layer's changes to the module's output, in place."""
        if self._terms is None or self._terms[:2] != (out.device, out.dtype):
            self.prepare(out.device, out.dtype)
        assert self._terms is not None
        for term in self._terms[2]:
            out = term.add(out, x, strengths, self.rows)
        return out

    def values(self, strengths: Strengths, count: int) -> Tensor:
        """The strength of every part, block weight included, as (parts, count) or (parts, 1)."""
        entries = [part.entry for part in self.parts]
        used = strengths.only(entries)
        values = used.values if used.is_shared else used.spread(count, self.path, self.rows)
        return values * torch.tensor([[part.factor] for part in self.parts])
