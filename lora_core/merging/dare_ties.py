"""DARE before TIES' election of signs (Yu et al. 2023, arXiv 2311.03099, section 3): numbers dropped by lot.

What is left of a change is divided by the share that is left, so that its mean stays. The lots are those of a
seed, the weight's name and the place of the row: the same stack and seed give the same file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .method import Method
from .ties import agreeing_mean

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DareTies(Method):
    """`density` is the share of the numbers of a change that stays, above 0 and 1 at most."""

    density: float = 0.5
    seed: int = 0

    @property
    def text(self) -> str:
        return f"dare-ties, density {self.density:g}, seed {self.seed}"

    def merge(self, changes: Sequence[Tensor], key: str) -> Tensor:
        kept = (self.lots(tuple(change.shape), key, row) for row, change in enumerate(changes))
        return agreeing_mean([c * lots / self.density for c, lots in zip(changes, kept, strict=True)])

    def lots(self, shape: tuple[int, ...], key: str, row: int) -> Tensor:
        """Which numbers of a row's change of a weight stay."""
        digest = hashlib.sha256(f"{self.seed} {row} {key}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
        return torch.rand(shape, generator=generator) < self.density
