"""⟨ΔWᵢ, ΔWⱼ⟩ of several changes of one weight, from their factors where that is the shorter way.

⟨U₁D₁, U₂D₂⟩ = tr((U₁ᵀU₂)(D₂D₁ᵀ)) takes R² · (out + in) multiplications for ranks of R in all, and no number
of the weight itself; building the changes takes out · in · R. Norms and cosines are those of Frobenius.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import torch

from ..changes import WeightChange

if TYPE_CHECKING:
    from torch import Tensor


def inner_products(changes: Sequence[WeightChange]) -> Tensor:
    """(n, n), symmetric, in float64; changes of one shape."""
    ranks = [change.rank for change in changes]
    out, columns = changes[0].shape[0], prod(changes[0].shape[1:])
    by_factors = sum(ranks) ** 2 * (out + columns)
    by_numbers = out * columns * (sum(ranks) + len(changes) ** 2)
    if any(change.difference is not None for change in changes) or by_factors > by_numbers:
        whole = torch.stack([change.full().flatten() for change in changes])
        return torch.mm(whole, whole.T).double()
    up = torch.cat([change.up for change in changes], dim=1)
    down = torch.cat([change.down for change in changes])
    each = torch.mm(up.T, up).double().mul_(torch.mm(down, down.T).double())
    owner = torch.repeat_interleave(torch.tensor(ranks))
    rows = torch.zeros(len(ranks), each.shape[1], dtype=torch.float64).index_add_(0, owner, each)
    return torch.zeros(len(ranks), len(ranks), dtype=torch.float64).index_add_(1, owner, rows)
