"""Methods by their names."""

from __future__ import annotations

from ..errors import WrongUse
from .dare_ties import DareTies
from .method import Method
from .sum_up import SUM
from .ties import Ties

METHODS = ("sum", "ties", "dare-ties")


def make_method(name: str, density: float | None = None, seed: int | None = None) -> Method:
    """The method of a name, with its usual numbers where none are given.

    Raises WrongUse for an unknown name, and for a number that the method does not take.
    """
    if name not in METHODS:
        raise WrongUse(f"{name!r} is no method of merging. Choose {', '.join(METHODS)}")
    if density is not None and name == "sum":
        raise WrongUse("a sum keeps every number, so it takes no density. Choose ties or dare-ties")
    if density is not None and not 0 < density <= 1:
        raise WrongUse(f"{density:g} is no density; write a number above 0, and 1 at most")
    if seed is not None and name != "dare-ties":
        raise WrongUse(f"{name} draws no lots, so it takes no seed. Choose dare-ties")
    if name == "ties":
        return Ties() if density is None else Ties(density)
    if name == "dare-ties":
        return DareTies(DareTies.density if density is None else density, seed or 0)
    return SUM
