"""TIES: trim, elect signs, merge (Yadav et al. 2023, arXiv 2306.01708, section 4).

Of every change only the largest numbers stay, each number of the weight gets the sign that has more weight
behind it, and those that have this sign are averaged. Each weight is trimmed for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .method import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Ties(Method):
    """`density` is the share of the numbers of a change that stays, above 0 and 1 at most."""

    density: float = 0.2

    @property
    def text(self) -> str:
        return f"ties, density {self.density:g}"

    def merge(self, changes: Sequence[Tensor], key: str) -> Tensor:
        return agreeing_mean([trimmed(change, self.density) for change in changes])


def trimmed(change: Tensor, density: float) -> Tensor:
    """The change with zeros for all but its largest numbers, a share `density` of them and at least one."""
    kept = max(int(density * change.numel()), 1)
    flat = change.flatten()
    places = flat.abs().topk(kept).indices
    return torch.zeros_like(flat).index_copy_(0, places, flat[places]).view(change.shape)


def agreeing_mean(changes: Sequence[Tensor]) -> Tensor:
    """For each number of the weight, the mean of the changes whose sign is that of their sum."""
    total = torch.stack(list(changes)).sum(0)
    signs = torch.where(total >= 0, 1.0, -1.0)
    summed, count = torch.zeros_like(total), torch.zeros_like(total)
    for change in changes:
        agrees = change.sign() == signs
        summed += change * agrees
        count += agrees
    return summed.div_(count.clamp_(min=1))
