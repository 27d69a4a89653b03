"""How much the rows of a stack change each block, and how far they pull the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import isfinite, sqrt
from typing import TYPE_CHECKING

import torch

from ..adapters import energy
from ..blocks import Place
from ..changes import (
    ChangedWeight,
    StackRow,
    StackSide,
    WeightChange,
    change_of,
    changed_weights,
    left_out,
    needs_weight,
    read_in_turn,
)
from ..errors import CannotCombine
from ..reading import Lora
from ..stack import Entry
from .products import inner_products

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BlockOverlap:
    """One block of a model: ⟨ΔWᵢ, ΔWⱼ⟩ of the rows i and j, strengths and block weights in them."""

    block: str
    products: tuple[tuple[float, ...], ...]
    weight_energy: float | None  # ‖W‖² of the weights changed, None where one is not known
    together: tuple[frozenset[int], ...]  # rows that are on at one time of the sampling

    def norm(self, row: int) -> float:
        """‖ΔW‖ of one row."""
        return sqrt(max(self.products[row][row], 0.0))

    @property
    def strongest(self) -> int:
        """The row that changes the block most."""
        return max(range(len(self.products)), key=self.norm)

    @property
    def total(self) -> float:
        """‖ΣΔW‖, at the time of the sampling at which it is largest."""
        return max((sqrt(max(self._energy(rows), 0.0)) for rows in self.together), default=0.0)

    @property
    def excess(self) -> float:
        """How many times more all rows change the block than the strongest alone does; 1 where none does."""
        alone = self.norm(self.strongest)
        return self.total / alone if alone else 1.0

    def cosine(self, one: int, other: int) -> float | None:
        """Of the changes of two rows: 1 is the same direction, -1 the opposite; None where one is zero."""
        size = self.norm(one) * self.norm(other)
        return max(-1.0, min(1.0, self.products[one][other] / size)) if size else None

    def relative(self, change: float) -> float | None:
        """A norm of a change in parts of ‖W‖."""
        return change / sqrt(self.weight_energy) if self.weight_energy else None

    def _energy(self, rows: frozenset[int]) -> float:
        return sum(self.products[one][other] for one in rows for other in rows)


@dataclass(frozen=True, eq=False)
class Overlap:
    """A stack by blocks, in the model's order, the text encoder's first."""

    rows: tuple[StackRow, ...]
    family: str
    blocks: tuple[BlockOverlap, ...]
    whole: BlockOverlap  # all of them as one
    places: tuple[Place, ...]  # of every weight that is changed
    weights_of_blocks: tuple[Callable[[Place], float], ...]  # of each row
    not_measured: Mapping[str, int] = field(default_factory=dict)  # kind and row → weights
    notes: tuple[str, ...] = ()  # what of the files is in no weight

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of the stack."""
        return tuple(row.entry for row in self.rows)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Rows that are on at one time, two by two."""
        times = self.whole.together
        pairs = combinations(range(len(self.rows)), 2)
        return tuple(pair for pair in pairs if any(set(pair) <= rows for rows in times))


@dataclass
class _Sum:
    """Sums over the weights of one block."""

    products: Tensor
    weight: float = 0.0
    has_weight: bool = True

    @classmethod
    def of(cls, rows: int) -> _Sum:
        """Of nothing yet."""
        return cls(torch.zeros(rows, rows, dtype=torch.float64))


def measure_overlap(
    rows: Sequence[StackRow],
    sides: Sequence[StackSide] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Overlap:
    """Measure a stack of entries that are on, on the models connected or by the names in the files alone.

    A few weights' factors are in memory at a time. Raises CannotCombine, FitError, BadBlockText or FileError.
    """
    weights = changed_weights(rows, sides)
    if not weights:
        raise CannotCombine("the stack changes nothing here, so there is nothing to measure")
    sums: dict[tuple[bool, str], _Sum] = {}
    not_measured = Counter[str]()
    for done, (weight, read) in enumerate(read_in_turn(weights), start=1):
        base = weight.weight(weight.key)
        changes = dict(_changes(weight, read, base, not_measured))
        into = sums.setdefault((weight.is_text_encoder, weight.place.block), _Sum.of(len(rows)))
        into.weight += 0.0 if base is None else energy(base)
        into.has_weight = into.has_weight and base is not None and isfinite(into.weight)
        _add(into, weight, changes)
        progress(done, len(weights))
    together = _together([row.entry for row in rows])
    order = _in_order(weights)
    blocks = tuple(_block(key[1], sums[key], together) for key in order if key in sums)
    titles = {weight.is_text_encoder: weight.blocks.title for weight in weights}
    return Overlap(
        tuple(rows),
        titles.get(False, titles.get(True, "")),
        blocks,
        _block("all", _all(sums), together),
        tuple(dict.fromkeys(place for weight in weights for place in weight.places)),
        tuple(_weights_of_blocks(row, weights) for row in rows),
        dict(not_measured),
        tuple(left_out(rows, sides)),
    )


def _changes(
    weight: ChangedWeight, read: Mapping[int, Lora], base: Tensor | None, not_measured: Counter[str]
) -> Iterator[tuple[int, WeightChange]]:
    """The change of each row alone; what depends on a weight that cannot be seen is counted."""
    for row in weight.changing:
        steps = weight.steps(row, read)
        kinds = needs_weight(steps)
        if kinds and base is None:
            not_measured[f"{' and '.join(kinds)} of {weight.rows[row].entry.name}"] += 1
            continue
        yield row, change_of(steps, weight.shape, base)


def _add(into: _Sum, weight: ChangedWeight, changes: Mapping[int, WeightChange]) -> None:
    if not changes:
        return
    products = inner_products([*changes.values()])
    if not bool(products.isfinite().all()):
        raise CannotCombine(f"{weight.name}: the stack makes numbers that are not finite. A LoRA is broken")
    where = torch.tensor([*changes])
    into.products[where[:, None], where[None, :]] += products


def _all(sums: Mapping[tuple[bool, str], _Sum]) -> _Sum:
    whole = _Sum.of(next(iter(sums.values())).products.shape[0])
    for one in sums.values():
        whole.products += one.products
        whole.weight += one.weight
        whole.has_weight = whole.has_weight and one.has_weight
    return whole


def _block(name: str, found: _Sum, together: tuple[frozenset[int], ...]) -> BlockOverlap:
    products = tuple(tuple(row) for row in found.products.tolist())
    return BlockOverlap(name, products, found.weight if found.has_weight else None, together)


def _in_order(weights: Sequence[ChangedWeight]) -> list[tuple[bool, str]]:
    """The blocks of the text encoder, then those of the model, each in its order."""
    order: list[tuple[bool, str]] = []
    for is_text in (True, False):
        mine = [weight for weight in weights if weight.is_text_encoder == is_text]
        ids = dict.fromkeys(weight.place.block for weight in mine)
        if mine:
            known = [id for id in mine[0].blocks.present if id in ids]
            order += [(is_text, id) for id in dict.fromkeys([*known, *ids])]
    return order


def _together(entries: Sequence[Entry]) -> tuple[frozenset[int], ...]:
    """Which rows may be on at one time: whoever joins does so at the start of a row, or at its first step.

    Which step is at which time only a sampler knows, so any step may be at any time.
    """
    times = {entry.start for entry in entries}
    steps = {1, *(entry.steps.first for entry in entries if entry.steps)}
    found = {
        frozenset(n for n, entry in enumerate(entries) if _is_on(entry, time, step))
        for time in times
        for step in steps
    }
    return tuple(sorted(found, key=sorted))


def _is_on(entry: Entry, time: float, step: int) -> bool:
    return entry.start <= time < entry.stop and (entry.steps is None or step in entry.steps)


def _weights_of_blocks(row: StackRow, weights: Sequence[ChangedWeight]) -> Callable[[Place], float]:
    """The block weight of every place of the weights, as the row has it."""
    at = {place: row.entry.blocks.at(weight.blocks)(place) for weight in weights for place in weight.places}
    return at.__getitem__
