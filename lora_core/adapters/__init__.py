"""One small file per formula, all of the same shape.

A formula's file has a frozen dataclass (the stored tensors of one layer, and numbers) that is an `Adapter`,
and a function `from_roles` that makes one from the roles key_names.py found, or None. `FORMULAS` is the list
of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from . import low_rank

Reorder = Callable[[Tensor], Tensor]
"""What some targets do to a weight change before it is added (swap halves, for one)."""


class Adapter(Protocol):
    """One layer of a LoRA file, in one formula."""

    kind: ClassVar[str]  # for the report
    needs_weight: ClassVar[
        bool
    ]  # whether the change depends on the weight, so that its place in a stack matters

    @property
    def change_shape(self) -> tuple[int, int] | None:
        """(out, in · kernel) of the change, or None where it fits any weight."""
        ...

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Change `weight` (out, in, *kernel) in place, computing in `dtype`, and return it."""
        ...


FORMULAS: tuple[Callable[[Mapping[str, Tensor]], tuple[Adapter, set[str]] | None], ...] = (
    low_rank.from_roles,
)
"""Each gives an adapter and the roles it used, or None when its roles are not there."""

_CLASSES: Mapping[str, Callable[..., Adapter]] = {
    cls.__name__: cls for cls in (low_rank.LowRank, low_rank.LowRankRun)
}


def find(tensors: Mapping[str, Tensor]) -> list[Adapter]:
    """The adapters a layer's roles make, or none when a role is left that no formula here knows.

    Raises ValueError, with the reason, when tensors do not belong together.
    """
    found = [made for formula in FORMULAS if (made := formula(tensors)) is not None]
    used = {role for _, roles in found for role in roles}
    return [adapter for adapter, _ in found] if tensors.keys() == used else []


def pack(adapter: Adapter) -> tuple[Any, ...]:
    """An adapter as nested tuples of tensors and numbers, the form newer hosts can move between devices."""
    values = [getattr(adapter, field.name) for field in fields(adapter)]  # type: ignore[arg-type]
    return (type(adapter).__name__, *(pack(v) if type(v).__name__ in _CLASSES else v for v in values))


def unpack(packed: tuple[Any, ...]) -> Adapter:
    """The inverse of `pack`."""
    name, *values = packed
    return _CLASSES[name](
        *(unpack(v) if isinstance(v, tuple) and v and v[0] in _CLASSES else v for v in values)
    )
