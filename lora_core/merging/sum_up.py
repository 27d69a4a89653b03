"""Sum: what ComfyUI's loaders do one after another, ΔW = Σ ΔWᵢ; exact, and of factors it stays one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .method import Method

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sum(Method):
    """Everything added up."""

    @property
    def text(self) -> str:
        return "sum"

    def merge(self, changes: Sequence[Tensor], key: str) -> Tensor:
        first, *rest = changes
        total = first.clone()
        for change in rest:
            total += change
        return total


SUM = Sum()
