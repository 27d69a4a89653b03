"""One small file per formula, all of the same shape.

A formula's file has a frozen dataclass (the stored tensors of one layer, and numbers) that is an `Adapter`,
and a function `from_roles` that makes one from the roles key_names.py found, or None. `find` puts them
together; docs/adapters.md is the table of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from . import dora, full, glora, ia3, in_parts, loha, lokr, low_rank, oft, padded
from .adapter import Adapter as Adapter
from .change import Reorder as Reorder
from .full import Difference
from .in_parts import InParts
from .loha import LoHa
from .lokr import LoKr
from .low_rank import LowRank, LowRankRun, join
from .padded import MAX_DIMENSIONS, Padded
from .roles import LEAST_AXES, MOST_AXES, BadTensors, Roles

__all__ = [
    "LEAST_AXES",
    "MAX_DIMENSIONS",
    "MOST_AXES",
    "Adapter",
    "BadTensors",
    "Difference",
    "InParts",
    "Layer",
    "LoHa",
    "LoKr",
    "LowRank",
    "LowRankRun",
    "Padded",
    "Reorder",
    "Roles",
    "find",
    "join",
    "pack",
    "unpack",
]

FORMULAS: tuple[Callable[[Roles], tuple[Any, set[str]] | None], ...] = (
    full.value_from_roles,
    low_rank.from_roles,
    loha.from_roles,
    lokr.from_roles,
    glora.from_roles,
    oft.from_roles,
    ia3.from_roles,
    full.difference_from_roles,
)
"""Each gives an adapter and the roles it used, or None when its roles are not there. A layer that holds
several gets all of them, in this order."""

_CLASSES: Mapping[str, Callable[..., Adapter]] = {
    cls.__name__: cls
    for cls in (
        low_rank.LowRank,
        low_rank.LowRankRun,
        padded.Padded,
        loha.LoHa,
        lokr.LoKr,
        glora.GLoRA,
        oft.OFT,
        oft.BOFT,
        ia3.IA3,
        full.Difference,
        full.SetWeight,
        dora.DoRA,
        dora.PeftDoRA,
        in_parts.InParts,
    )
}


@dataclass(frozen=True, eq=False)
class Layer:
    """The adapters of one layer: of its weight, and of its bias."""

    weight: tuple[Adapter, ...]
    bias: tuple[Adapter, ...]


def find(tensors: Roles) -> Layer | None:
    """The adapters a layer's roles make, or None when a role is left that no formula here knows.

    Raises BadTensors when tensors do not belong together.
    """
    found: list[Adapter] = []
    used: set[str] = set()
    for formula in FORMULAS:
        made = formula(tensors)
        if made is not None:
            adapter, roles = _decorate(made[0], tensors)
            found.append(adapter)
            used |= made[1] | roles
    if sum(isinstance(adapter, dora.DoRA | dora.PeftDoRA) for adapter in found) > 1:
        raise BadTensors((used & {"dora_scale", "magnitude"}).pop(), "stands beside two formulas")
    biases, roles = full.biases_from_roles(tensors)
    turned = ia3.bias_from_roles(tensors)
    used |= roles
    if tensors.keys() != used | ({"alpha", "scale"} & tensors.keys()) or not (found or biases):
        return None
    return Layer(tuple(found), (*([turned[0]] if turned else []), *biases))


def _decorate(adapter: Any, tensors: Roles) -> tuple[Adapter, set[str]]:
    """An adapter with what else its layer says about it: a larger shape, the lengths of a DoRA."""
    if not isinstance(adapter, dora.Inner):
        made: Adapter = adapter
        return made, set()
    decorated, roles = dora.wrap(adapter, tensors)
    if "reshape" in tensors and not isinstance(decorated, low_rank.LowRank):
        raise BadTensors("reshape", f"works only with a plain LoRA, not with {decorated.kind}")
    if isinstance(decorated, low_rank.LowRank):
        return padded.pad(decorated, tensors)
    return decorated, roles


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
