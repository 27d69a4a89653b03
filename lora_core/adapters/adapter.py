"""What every kind of adapter can do, and how a kind makes itself known.

A kind's file has a frozen dataclass that is an `Adapter` and one `AdapterKind`: the suffixes of its tensors'
keys, how it is made from them, and what a header alone tells of it. Whoever asks about kinds asks these two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch

from .change import Reorder
from .roles import Roles

RoleShapes = Mapping[str, tuple[int, ...]]
"""Role → shape of its tensor, for one layer."""

if TYPE_CHECKING:
    from torch import Tensor


class Factors(NamedTuple):
    """A change as a product: ΔW = scale · up @ down, (out, rank) and (rank, in · kernel)."""

    up: Tensor
    down: Tensor
    scale: float

    @property
    def rank(self) -> int:
        return self.down.shape[0]


class Adapter:
    """One layer of a LoRA file, in one formula. The answers here are those of a change that only adds up."""

    @property
    def needs_weight(self) -> bool:
        """Whether the result depends on the weight it meets, so that its place in a stack matters."""
        return False

    @property
    def can_split(self) -> bool:
        """Whether parts of its weight can have strengths of their own."""
        return True

    @property
    def grown_shape(self) -> tuple[int, ...] | None:
        """The shape it makes its weight grow to, or None where the weight keeps its own."""
        return None

    @property
    def unlike_host(self) -> str:
        """Where the trainer's library and the host disagree, in a sentence for the report; else empty."""
        return ""

    @property
    def kind(self) -> str:
        """For the report."""
        raise NotImplementedError

    @property
    def rank(self) -> int | None:
        """The rank of the factors, or None where the formula has none."""
        return None

    @property
    def change_shape(self) -> tuple[int, int] | None:
        """(out, in · kernel) of the change, or None where `fits` alone can tell."""
        return None

    @property
    def takes_lengths(self) -> bool:
        """Whether the magnitudes of a DoRA may stand beside it."""
        return False

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether `apply` takes a weight of this shape."""
        raise NotImplementedError

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Change `weight` (out, in, *kernel) in place, computing in `dtype`, and return it."""
        raise NotImplementedError

    @property
    def product_rank(self) -> int | None:
        """The rank of `factors`; None for a change that is no product of two."""
        return None

    def factors(self) -> Factors:
        """The change as a product of two factors. Only where `product_rank` is a number."""
        raise NotImplementedError

    def energy(self, dtype: torch.dtype) -> float | None:
        """‖ΔW‖² at strength 1 where it follows from parts of the change; None where it takes more."""
        return None

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        """Some rows of an additive change at strength 1, (rows, in · kernel)."""
        shape = self.change_shape
        assert shape is not None, "an additive change knows its shape"
        return self.apply(torch.zeros(shape, dtype=dtype), 1.0, dtype)[rows]

    def kronecker(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor] | None:
        """(o1, i1) and (o2, i2 · kernel) whose Kronecker product is ΔW, scale included; or None."""
        return None


def _nothing_beside(roles: Roles) -> dict[str, list[Adapter]]:
    return {}


def _no_width(shapes: RoleShapes) -> int:
    return 0


@dataclass(frozen=True)
class AdapterKind:
    """A formula as the rest of the core knows it."""

    from_roles: Callable[[Roles], tuple[Adapter, set[str]] | None]
    """An adapter and the roles it used, or None where its roles are not there."""

    classes: tuple[type[Adapter], ...]

    suffixes: Mapping[str, str] = field(default_factory=dict)
    """End of a tensor's key → its role."""

    peft: Mapping[str, str] = field(default_factory=dict)
    """Part of a key of PEFT's, which may have the name of an adapter behind it → role."""

    input_width: Callable[[RoleShapes], int] = _no_width
    """From shapes alone how wide the layer's input is; 0 where they do not say."""

    rank_roles: tuple[str, ...] = ()
    """Roles whose rows are the rank, for the scale that a PEFT config gives."""

    scaled_roles: tuple[str, ...] = ()
    """Other roles a scale is for."""

    counts: frozenset[str] = frozenset()
    """Roles that may be integers."""

    least_axes: Mapping[str, int] = field(default_factory=dict)
    """Role → how many dimensions its tensor has at least; what is not here has one."""

    beside_from_roles: Callable[[Roles], Mapping[str, list[Adapter]]] = _nothing_beside
    """What the layer does to other parameters of its module, by their name."""

    beside_roles: frozenset[str] = frozenset()
    """The roles `beside_from_roles` takes and `from_roles` does not."""

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles it is known by: a layer without any of them has no adapter of this kind."""
        named = {*self.suffixes.values(), *self.peft.values()}
        return frozenset({*named, *self.rank_roles, *self.scaled_roles, *self.beside_roles})


def inputs_of(*roles: str) -> Callable[[RoleShapes], int]:
    """`AdapterKind.input_width` where the second dimension of one of the roles is the input."""
    return lambda shapes: next((shapes[role][1] for role in roles if len(shapes.get(role, ())) > 1), 0)
