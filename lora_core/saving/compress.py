"""The best product of a lower rank, from the factors alone, and which ranks make the best file of a size.

The singular values of up @ down are those of the small core R₁·R₂ᵀ of up = Q₁R₁ and downᵀ = Q₂R₂ (Golub and
Van Loan, Matrix Computations, section 5.2), so the product itself is never built. By Eckart and Young (1936)
what is cut off is the error: the root of the sum of its squares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import merge

import torch
from torch import Tensor

from ..adapters import energy
from ..changes import WeightChange

_OVERSAMPLED = 16  # columns of a sketch more than the rank
_ITERATIONS = 3  # of the subspace: an error within 1 % of the least also where the values hardly fall
_SPARE = 4  # a sketch of more than this part of a matrix is no faster than all of it
_FIRST_RANK = 32  # to try for a share of the energy


@dataclass(frozen=True, eq=False)
class Spectral:
    """A change by its largest singular values: up @ diag(values) @ down; `values` (R,) fall, in float32.

    `rest` is what is not in them, of the numbers of ΔW squared; 0 where these are all.
    """

    shape: tuple[int, ...]
    up: Tensor  # (out, R), orthonormal columns
    values: Tensor
    down: Tensor  # (R, in · kernel), orthonormal rows
    rest: float = 0.0

    def cut(self, rank: int) -> WeightChange:
        """The best approximation of at most this rank; both factors get the root of each value."""
        roots = self.values[:rank].sqrt()
        return WeightChange(self.shape, self.up[:, :rank] * roots, roots[:, None] * self.down[:rank])

    def lost(self, rank: int) -> float:
        """‖what a cut to this rank leaves out‖², of the numbers of ΔW."""
        return float(self.values[rank:].double().square().sum()) + self.rest

    @property
    def energy(self) -> float:
        """‖ΔW‖²."""
        return self.lost(0)


def spectral(change: WeightChange) -> Spectral:
    """The singular value decomposition of a change without a difference; see `WeightChange.as_factors`."""
    up, down = change.up, change.down
    if min(up.shape[0], down.shape[1]) <= change.rank:
        u, s, v = torch.linalg.svd(up @ down, full_matrices=False)
        return Spectral(change.shape, u, s, v)
    q1, r1 = torch.linalg.qr(up)
    q2, r2 = torch.linalg.qr(down.T)
    u, s, v = torch.linalg.svd(r1 @ r2.T)
    return Spectral(change.shape, q1 @ u, s, v @ q2.T)


def leading(change: Tensor, rank: int) -> Spectral:
    """The `rank` largest singular values of a change (out, in, *kernel) that is known number by number.

    Of a large one by a randomised sketch with subspace iteration (Halko, Martinsson and Tropp 2011,
    algorithms 4.4 and 5.1), the same every time.
    """
    matrix = change.flatten(1)
    if _SPARE * (rank + _OVERSAMPLED) >= min(matrix.shape):
        u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, v = torch.svd_lowrank(matrix, rank + _OVERSAMPLED, niter=_ITERATIONS)
        v = v.T
    if rank < len(s):  # slices alone would keep all of it in memory
        u, v = u[:, :rank].clone(), v[:rank].clone()
    values = s[:rank]
    rest = max(energy(change) - float(values.double().square().sum()), 0.0)
    return Spectral(tuple(change.shape), u, values, v, rest if rank < len(s) else 0.0)


def leading_for_energy(change: Tensor, keep: float) -> Spectral:
    """As many of the largest singular values as keep a share `keep` (0 to 1) of ‖ΔW‖²."""
    rank, most = _FIRST_RANK, min(change.flatten(1).shape)
    while True:
        found = leading(change, min(rank, most))
        if rank >= most or found.rest <= (1 - keep) * found.energy:
            return found
        rank *= 2


def rank_for_energy(found: Spectral, keep: float) -> int:
    """The least rank that keeps a share `keep` (0 to 1) of ‖ΔW‖²; at least 1."""
    energies = found.values.double().square().cumsum(0)
    if not energies.numel() or found.energy == 0:
        return 1
    return min(int((energies < keep * found.energy).sum()) + 1, energies.numel())


def ranks_for_size(found: Mapping[str, Spectral], numbers: int) -> dict[str, int]:
    """The ranks whose factors have at most `numbers` numbers in all and that lose the least.

    The singular values of all weights are taken in the order of what each keeps per number it costs,
    σ² / (out + in · kernel). Every weight keeps rank 1 as long as that fits; what does not fit at all is 0.
    """
    ranks = dict.fromkeys(found, 0)
    left = numbers
    lists = [_gains(key, layer) for key, layer in found.items()]
    for worth, cost, key in merge(*lists):
        if worth == 0:
            break
        if cost <= left:
            ranks[key] += 1
            left -= cost
    return ranks


def _gains(key: str, layer: Spectral) -> Sequence[tuple[float, int, str]]:
    """(minus the energy kept per number, numbers it costs, key), the best first."""
    cost = layer.up.shape[0] + layer.down.shape[1]
    return [(-(float(value) ** 2) / cost, cost, key) for value in layer.values.double()]
