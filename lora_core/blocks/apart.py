"""The block weight of one tensor: a number, or one for each part of what is several weights in one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Slice = tuple[int, int, int]
"""(dimension, start, length)."""


@dataclass(frozen=True)
class Apart:
    """Numbers that differ, each with the rows or columns it is for; together these are the whole tensor."""

    parts: tuple[tuple[Slice, float], ...]

    def __mul__(self, factor: float) -> Apart:
        return Apart(tuple((place, number * factor) for place, number in self.parts))


Weight = float | Apart


def together(parts: Iterable[tuple[Slice, float]]) -> Weight:
    """The number that all parts have, or each with its own."""
    found = tuple(parts)
    numbers = {number for _, number in found}
    return numbers.pop() if len(numbers) == 1 else Apart(found)


def within(weight: Weight, place: Slice | None) -> Weight:
    """The block weight of a slice of the tensor, its parts counted from the slice's own start."""
    if not isinstance(weight, Apart) or place is None:
        return weight
    dimension, start, length = place
    found: list[tuple[Slice, float]] = []
    for (along, first, size), number in weight.parts:
        if along != dimension:
            return weight
        begin, end = max(first, start), min(first + size, start + length)
        if begin < end:
            found.append(((along, begin - start, end - begin), number))
    return together(found)
