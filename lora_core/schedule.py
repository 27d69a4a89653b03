"""When in a sampling is an entry on, and how strong is it then?

A window says from where to where, in fractions of the sampling; steps say it in the sampler's own steps; a
curve gives the strength at some fractions, straight between them and held outside them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from .blocks import write_number
from .errors import BadRow

MOST_POINTS = 100


@dataclass(frozen=True)
class Moment:
    """One call of the model: the `fraction` of the sampling that is over, and the `step`, counted from 1.

    `step` is None where the sampler does not say which noise levels it visits.
    """

    fraction: float
    step: int | None = None


@dataclass(frozen=True)
class StrengthCurve:
    """Strengths at fractions of the sampling, as (fraction, strength), in the order of the sampling.

    Two points at one fraction are a jump: the first of them ends what came before, and counts there.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.points) <= MOST_POINTS:
            raise BadRow(f"a curve has 1 to {MOST_POINTS} points, not {len(self.points)}")
        places = self._places
        if not all(0 <= place <= 1 for place in places):
            raise BadRow("the points of a curve must lie within 0 and 1 of the sampling")
        if any(later < place for place, later in pairwise(places)):
            raise BadRow("the points of a curve must be in the order of the sampling")
        if any(places.count(place) > 2 for place in {*places}):
            raise BadRow("a curve has at most two points at one place")
        if not all(math.isfinite(strength) for _, strength in self.points):
            raise BadRow("the strengths of a curve must be finite numbers")

    @cached_property
    def _places(self) -> tuple[float, ...]:
        return tuple(place for place, _ in self.points)

    @property
    def peak(self) -> float:
        """The strength that is furthest from 0: the first of them, where there are several."""
        return max((strength for _, strength in self.points), key=abs)

    def at(self, fraction: float) -> float:
        """The strength at a fraction of the sampling."""
        after = bisect_left(self._places, fraction)
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (before, low), (place, high) = self.points[after - 1], self.points[after]
        if place == fraction:
            return high
        return low + (high - low) * (fraction - before) / (place - before)

    def scaled(self, factor: float) -> StrengthCurve:
        """The same shape, higher or lower."""
        return StrengthCurve(tuple((place, strength * factor) for place, strength in self.points))

    def __str__(self) -> str:
        return ",".join(f"{write_number(strength)}@{write_number(place)}" for place, strength in self.points)


@dataclass(frozen=True)
class Steps:
    """From the `first` to the `last` step of a sampler, both counted from 1; no last one means to the end."""

    first: int = 1
    last: int | None = None

    def __post_init__(self) -> None:
        if self.first < 1:
            raise BadRow(f"steps are counted from 1, not from {self.first}")
        if self.last is not None and self.last < self.first:
            raise BadRow(f"steps must end no earlier than they begin, not {self}")

    def __contains__(self, step: int) -> bool:
        return self.first <= step and (self.last is None or step <= self.last)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{'' if self.last is None else self.last}"
