"""The strengths of one call of the model: a number per entry of the stack and row of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import NotSweepable
from ..schedule import Moment
from ..stack import Entry

Rows = Literal["apart", "folded", "mixed"]
"""How the rows of a layer's input belong to the pictures of the batch: one each, several each and those of a
picture side by side, or in no order to rely on, whatever their number.
"""

StrengthsAt = Callable[[Moment], Tensor]
"""Strengths at a moment of the sampling, (entries,) or (entries, rows of the batch)."""


def timed(strengths: Tensor, entries: Sequence[Entry]) -> Tensor | StrengthsAt:
    """Strengths, (entries,) or (entries, rows), as the entries have them at each moment of the sampling."""
    if not any(entry.is_timed for entry in entries):
        return strengths

    def at(moment: Moment) -> Tensor:
        shares = torch.tensor([entry.share_at(moment) for entry in entries], dtype=strengths.dtype)
        return strengths * (shares if strengths.ndim == 1 else shares.unsqueeze(1))

    return at


@dataclass(frozen=True, eq=False)
class Strengths:
    """`values` is (entries, rows), float32 on the CPU; one row where all pictures share their strengths."""

    values: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Strengths:
        """From (entries,) or (entries, rows); equal rows become one."""
        values = values.detach().to("cpu", torch.float32)
        if values.ndim == 1:
            values = values.unsqueeze(1)
        if values.shape[1] > 1 and torch.equal(values, values[:, :1].expand_as(values)):
            values = values[:, :1]
        return cls(values)

    @property
    def is_shared(self) -> bool:
        """Whether every picture has the same strengths."""
        return self.values.shape[1] == 1

    def only(self, entries: Sequence[int]) -> Strengths:
        """Those of some entries, again as few rows as they need."""
        return Strengths.of(self.values[list(entries)])

    def spread(self, count: int, layer: str, rows: Rows) -> Tensor:
        """(entries, count) for a layer whose input has `count` rows, or (entries, 1) where they are shared.

        Raises NotSweepable, naming the layer, unless each row is known to be one picture's.
        """
        pictures = self.values.shape[1]
        if pictures == 1 or (pictures == count and rows != "mixed"):
            return self.values
        if rows == "folded" and count % pictures == 0:
            return self.values.repeat_interleave(count // pictures, dim=1)
        raise NotSweepable(
            layer,
            f"sees {count} rows where the batch has {pictures}, so that pictures of different strengths "
            "cannot be told apart in it",
        )
