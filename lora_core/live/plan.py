"""A stack sorted by the modules it changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..adapters import Adapter, LowRank
from ..applying import Foreign, Match, in_parts
from ..blocks import Apart, Weight, within
from ..key_maps import Target


@dataclass(frozen=True, eq=False)
class LivePart:
    """One adapter of one entry. `factor` is its block weight: the entry's strength is multiplied by it."""

    entry: int
    target: Target
    adapter: Adapter | Foreign
    factor: float = 1.0

    @property
    def needs_weight(self) -> bool:
        """Whether the result depends on the weight it meets, so that its place in the order matters."""
        return self.adapter.needs_weight

    @property
    def parameter(self) -> str:
        """The name of the parameter within its module."""
        return self.target.key.rpartition(".")[2]


@dataclass(frozen=True, eq=False)
class Plan:
    """The parts of every module in the order of the stack; what makes a weight grow comes last."""

    modules: Mapping[str, tuple[LivePart, ...]]  # by the module's path in the model

    @classmethod
    def of(
        cls,
        matches: Sequence[Match],
        weights: Sequence[Mapping[str, Weight] | None] = (),
        without: Collection[str] = (),
    ) -> Plan:
        """From the matches of a stack's entries, in order, leaving out the model keys of `without`.

        `weights` are the block weights of each entry by model key, None where it has none.
        """
        modules: dict[str, list[LivePart]] = {}
        for entry, found in enumerate(matches):
            by_key = weights[entry] if weights else None
            for target, adapter in _changes(found):
                weight = 1.0 if by_key is None else within(by_key[target.key], target.offset)
                if weight and target.key not in without:
                    path = target.key.rpartition(".")[0]
                    modules.setdefault(path, []).extend(_parts(entry, target, adapter, weight))
        return cls({path: tuple(sorted(parts, key=_grows)) for path, parts in modules.items()})

    @property
    def keys(self) -> frozenset[str]:
        """The parameters it changes."""
        return frozenset(part.target.key for parts in self.modules.values() for part in parts)


def _changes(found: Match) -> Iterator[tuple[Target, Adapter | Foreign]]:
    for layer, target in found.layers.items():
        for adapter in found.lora.layers[layer]:
            yield target, adapter
    yield from found.foreign.items()


def _parts(entry: int, target: Target, adapter: Adapter | Foreign, weight: Weight) -> Iterator[LivePart]:
    """One part of the plan, or for a plain LoRA one for each part of the weight with a number of its own."""
    if not isinstance(weight, Apart):
        yield LivePart(entry, target, adapter, weight)
        return
    slices = [target.part(place) for place, _ in weight.parts] if isinstance(adapter, LowRank) else [None]
    if not isinstance(adapter, LowRank) or None in slices:
        yield LivePart(entry, target, in_parts(target, adapter, weight))
        return
    for slice, (place, number) in zip(slices, weight.parts, strict=True):
        if number and slice is not None:
            yield LivePart(entry, slice, adapter.part(*place), number)


def _grows(part: LivePart) -> bool:
    return part.adapter.grown_shape is not None
