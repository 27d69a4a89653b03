"""What every formula's class can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from .change import Reorder

if TYPE_CHECKING:
    from torch import Tensor


class Adapter(Protocol):
    """One layer of a LoRA file, in one formula."""

    @property
    def needs_weight(self) -> bool:
        """Whether the result depends on the weight it meets, so that its place in a stack matters."""
        ...

    @property
    def unlike_host(self) -> str:
        """Where the trainer's library and the host disagree, in a sentence for the report; else empty."""
        ...

    @property
    def kind(self) -> str:
        """For the report."""
        ...

    @property
    def rank(self) -> int | None:
        """The rank of the factors, or None where the formula has none."""
        ...

    @property
    def change_shape(self) -> tuple[int, int] | None:
        """(out, in · kernel) of the change, or None where `fits` alone can tell."""
        ...

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether `apply` takes a weight of this shape."""
        ...

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Change `weight` (out, in, *kernel) in place, computing in `dtype`, and return it."""
        ...
