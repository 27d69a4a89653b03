"""Fair ratios on a machine that is never quiet: two ways in turn, several times, medians of each."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

PAIRS = 5


@dataclass(frozen=True)
class Pair:
    """Median seconds of two ways to the same result."""

    host_s: float
    ours_s: float

    @property
    def ratio(self) -> float:
        """The host's time over ours: above 1 when ours is faster."""
        return self.host_s / self.ours_s


def alternate(host: Callable[[], float], ours: Callable[[], float], what: str, pairs: int = PAIRS) -> Pair:
    """Run both once to warm up, then `pairs` times in turn. Each returns the seconds that count."""
    host(), ours()
    host_times: list[float] = []
    our_times: list[float] = []
    for number in range(pairs):
        print(f"\r{what}: pair {number + 1} of {pairs} ", end="", file=sys.stderr, flush=True)
        host_times.append(host())
        our_times.append(ours())
    print("\r" + " " * 78 + "\r", end="", file=sys.stderr, flush=True)
    return Pair(statistics.median(host_times), statistics.median(our_times))


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
