"""Some rows of another adapter's change: one of q, k and v where a file fuses what the model keeps apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from .adapter import Adapter
from .change import Reorder, add_change
from .dora import DoRA
from .low_rank import LowRank

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class RowsOf(Adapter):
    """`length` rows of `inner` from `start` on. A change that depends on the whole weight has none."""

    inner: Adapter
    start: int
    length: int

    @property
    def kind(self) -> str:
        return self.inner.kind

    @property
    def unlike_host(self) -> str:
        return self.inner.unlike_host

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def takes_lengths(self) -> bool:
        return self.inner.takes_lengths

    @property
    def change_shape(self) -> tuple[int, int] | None:
        shape = self.inner.change_shape
        return None if shape is None else (self.length, shape[1])

    def fits(self, shape: tuple[int, ...]) -> bool:
        whole = self.inner.change_shape
        if self.inner.needs_weight or whole is None or not shape or shape[0] != self.length:
            return False
        return self.start + self.length <= whole[0] and self.inner.fits((whole[0], *shape[1:]))

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength times the rows to `weight` in place."""
        change = self.change_rows(torch.arange(self.length), dtype)
        return add_change(weight, change.to(weight.device), strength, reorder)

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        return self.inner.change_rows(rows + self.start, dtype)


def rows_of(adapter: Adapter, start: int, length: int) -> Adapter:
    """The adapter of some rows of a weight that another adapter is for."""
    if isinstance(adapter, LowRank):
        return adapter.part(0, start, length)
    if isinstance(adapter, DoRA) and not adapter.on_input:
        magnitude = adapter.magnitude.narrow(0, start, length)
        return replace(adapter, inner=rows_of(adapter.inner, start, length), magnitude=magnitude)
    return RowsOf(adapter, start, length)
