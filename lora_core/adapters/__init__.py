"""One small file per kind of adapter, all of the same shape.

A kind's file has a frozen dataclass (the stored tensors of one layer, and numbers) that is an `Adapter`, a
function `from_roles` that makes one from the roles of a layer's tensors, and an `AdapterKind` with the rest.
`KINDS` lists them, `find` puts them together; docs/adapters.md is the table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any

from . import dora, full, glora, ia3, in_parts, input_rotation, loha, lokr, low_rank, oft, padded
from .adapter import Adapter, AdapterKind, Factors, RoleShapes
from .change import Reorder, energy, product_energy
from .full import Difference, SetWeight
from .in_parts import InParts
from .largest import largest_change
from .loha import LoHa
from .lokr import LoKr
from .low_rank import LowRank, LowRankRun, join
from .padded import MAX_DIMENSIONS
from .roles import MOST_AXES, BadTensors, Roles
from .rows_of import RowsOf, rows_of

__all__ = [
    "COUNTS",
    "KINDS",
    "LEAST_AXES",
    "MAX_DIMENSIONS",
    "MOST_AXES",
    "PEFT_ROLES",
    "RANK_ROLES",
    "SCALED_ROLES",
    "SUFFIXES",
    "Adapter",
    "BadTensors",
    "Difference",
    "Factors",
    "InParts",
    "Layer",
    "LoHa",
    "LoKr",
    "LowRank",
    "LowRankRun",
    "Reorder",
    "RoleShapes",
    "Roles",
    "SetWeight",
    "energy",
    "find",
    "input_width",
    "join",
    "largest_change",
    "pack",
    "product_energy",
    "rows_of",
    "unpack",
]

KINDS: tuple[AdapterKind, ...] = (
    full.VALUE,
    low_rank.KIND,
    loha.KIND,
    lokr.KIND,
    glora.KIND,
    oft.KIND,
    input_rotation.KIND,
    ia3.KIND,
    full.KIND,
)
"""A layer that holds tensors of several kinds gets all of them, in this order."""

SUFFIXES: Mapping[str, str] = {
    ".alpha": "alpha",
    ".reshape_weight": "reshape",
    **dora.SUFFIXES,
    **{suffix: role for kind in KINDS for suffix, role in kind.suffixes.items()},
}
"""End of a tensor's key → its role, for every tensor that is no half of a low-rank pair."""

PEFT_ROLES: Mapping[str, str] = {
    **dora.PEFT,
    **{part: role for kind in KINDS for part, role in kind.peft.items()},
}
"""What PEFT writes before the name of an adapter, if it writes one → role."""

RANK_ROLES = tuple(role for kind in KINDS for role in kind.rank_roles)
"""Roles whose rows are the rank."""

SCALED_ROLES = frozenset(RANK_ROLES).union(*(kind.scaled_roles for kind in KINDS))
"""Roles that a scale is for."""

COUNTS = frozenset({"alpha", "scale", "reshape"}).union(*(kind.counts for kind in KINDS))
"""Roles that may be integers."""

LEAST_AXES: Mapping[str, int] = {
    "alpha": 0,
    "scale": 0,
    **{role: axes for kind in KINDS for role, axes in kind.least_axes.items()},
}
"""Role → how many dimensions its tensor has at least; what is not here has one."""

_CLASSES: Mapping[str, Callable[..., Adapter]] = {
    cls.__name__: cls
    for cls in (
        *(cls for kind in KINDS for cls in kind.classes),
        padded.Padded,
        dora.DoRA,
        dora.PeftDoRA,
        in_parts.InParts,
        RowsOf,
    )
}

_FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(field.name for field in fields(cls))  # type: ignore[arg-type]
    for name, cls in _CLASSES.items()
}


@dataclass(frozen=True, eq=False)
class Layer:
    """The adapters of one layer: of its weight, and of other parameters of its module by their name."""

    weight: tuple[Adapter, ...]
    beside: Mapping[str, tuple[Adapter, ...]] = field(default_factory=dict)

    @property
    def bias(self) -> tuple[Adapter, ...]:
        """The adapters of its bias."""
        return self.beside.get("bias", ())


def find(tensors: Roles) -> Layer | None:
    """The adapters a layer's roles make, or None when a role is left that no kind here knows.

    Raises BadTensors when tensors do not belong together.
    """
    found: list[Adapter] = []
    beside: dict[str, list[Adapter]] = {}
    used: set[str] = set()
    for kind in _kinds_with(frozenset(tensors)):
        made = kind.from_roles(tensors)
        if made is not None:
            adapter, roles = _decorate(made[0], tensors)
            found.append(adapter)
            used |= made[1] | roles
        used |= kind.beside_roles & tensors.keys()
        for parameter, adapters in kind.beside_from_roles(tensors).items():
            beside.setdefault(parameter, []).extend(adapters)
    if sum(isinstance(adapter, dora.DoRA) for adapter in found) > 1:
        raise BadTensors((used & dora.ROLES).pop(), "stands beside two formulas")
    others = {parameter: tuple(adapters) for parameter, adapters in beside.items() if adapters}
    if tensors.keys() != used | ({"alpha", "scale"} & tensors.keys()) or not (found or others):
        return None
    return Layer(tuple(found), others)


@lru_cache(maxsize=256)
def _kinds_with(roles: frozenset[str]) -> tuple[AdapterKind, ...]:
    """The kinds to ask about a layer of these roles. Most layers of a file have the same."""
    return tuple(kind for kind in KINDS if not kind.roles.isdisjoint(roles))


def _decorate(adapter: Adapter, tensors: Roles) -> tuple[Adapter, set[str]]:
    """An adapter with what else its layer says about it: a larger shape, the lengths of a DoRA."""
    decorated, roles = dora.wrap(adapter, tensors)
    if isinstance(decorated, LowRank):
        return padded.pad(decorated, tensors)
    if "reshape" in tensors and adapter.takes_lengths:
        raise BadTensors("reshape", f"works only with a plain LoRA, not with {decorated.kind}")
    return decorated, roles


def input_width(shapes: RoleShapes) -> int:
    """How wide the input of a layer is, from the shapes of its roles; 0 where they do not tell."""
    return next((width for kind in KINDS if (width := kind.input_width(shapes))), 0)


def pack(adapter: Adapter) -> tuple[Any, ...]:
    """An adapter as nested tuples of tensors and numbers, the form newer hosts can move between devices."""
    name = type(adapter).__name__
    values = [getattr(adapter, field) for field in _FIELDS[name]]
    return (name, *(pack(v) if isinstance(v, Adapter) else v for v in values))


def unpack(packed: tuple[Any, ...]) -> Adapter:
    """The inverse of `pack`."""
    name, *values = packed
    return _CLASSES[name](*(unpack(v) if _is_packed(v) else v for v in values))


def _is_packed(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], str) and value[0] in _CLASSES
