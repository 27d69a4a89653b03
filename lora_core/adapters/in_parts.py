"""Another adapter at a strength of its own in each part of a weight: q, k and v that are one tensor.

A part is what the whole would be at its strength. So it does not matter what the formula does with the rest
of the weight, and one whose rows know nothing of each other gives what it would give the part alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .adapter import Adapter
from .change import Reorder

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class InParts(Adapter):
    """`parts` are (dimension, start, length, strength); what is in none of them stays as it is."""

    inner: Adapter
    parts: tuple[tuple[int, int, int, float], ...]

    @property
    def needs_weight(self) -> bool:
        return self.inner.needs_weight

    @property
    def unlike_host(self) -> str:
        return self.inner.unlike_host

    @property
    def kind(self) -> str:
        return self.inner.kind

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def change_shape(self) -> tuple[int, int] | None:
        return self.inner.change_shape

    def fits(self, shape: tuple[int, ...]) -> bool:
        return self.inner.fits(shape)

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Change each part of `weight` in place."""
        before = weight.clone()
        made: dict[float, Tensor] = {}
        for dimension, start, length, factor in self.parts:
            if factor not in made:
                made[factor] = self.inner.apply(before.clone(), strength * factor, dtype, reorder)
            weight.narrow(dimension, start, length).copy_(made[factor].narrow(dimension, start, length))
        return weight
