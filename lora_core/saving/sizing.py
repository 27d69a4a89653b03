"""How large a file may become, and the ranks that make the best file of that size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..errors import CannotSave
from .compress import Spectral, rank_for_energy, ranks_for_size


@dataclass(frozen=True)
class Size:
    """How large the file may become: a rank, a share of the energy to keep, or bytes. None: lossless."""

    rank: int | None = None
    keep: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.rank, self.keep, self.max_bytes) if value is not None]
        if len(given) > 1:
            raise CannotSave("give one of a rank, a share to keep and a largest size, not several")

    @property
    def is_lossless(self) -> bool:
        """Whether nothing is cut off."""
        return self.rank is None and self.keep is None and self.max_bytes is None


LOSSLESS = Size()


def choose_ranks(
    spectra: Mapping[str, Spectral], size: Size, dtype: torch.dtype, other_bytes: int
) -> dict[str, int]:
    """The rank of every product; `other_bytes` is what else the file holds. Raises CannotSave where the size
    asked for holds nothing.
    """
    if size.rank is not None:
        wanted = size.rank
        return {key: min(wanted, found.values.numel()) for key, found in spectra.items()}
    if size.keep is not None:
        keep = size.keep
        return {key: rank_for_energy(found, keep) for key, found in spectra.items()}
    assert size.max_bytes is not None
    left = (size.max_bytes - other_bytes) // dtype.itemsize
    ranks = ranks_for_size(spectra, max(left, 0))
    if not any(ranks.values()):
        raise CannotSave(f"{size.max_bytes} bytes hold nothing of this stack. Allow more")
    return ranks
