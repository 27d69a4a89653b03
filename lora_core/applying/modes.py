"""Which entries of a stack are written into the weights, and which act in the forward pass.

Merged weights cost nothing while sampling; acting in the forward pass is what a window takes, or a weight
nobody can write to. Whatever the mode, the result is that of the stack's order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ..errors import BadMode, NotLive
from ..stack import Entry
from .matching import Match

MODES = ("auto", "merged", "live")


@dataclass(frozen=True)
class Way:
    """How one entry is applied to the model, and why, in words for the report.

    `merged_keys` are those of a live entry that are written into the weights all the same.
    """

    is_live: bool
    reason: str = ""
    merged_keys: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if not self.is_live:
            return "merged"
        count = len(self.merged_keys)
        rest = f", {count} weight{'s' * (count > 1)} that no layer applies merged" if count else ""
        return f"live{self.reason}{rest}"


def choose_ways(
    mode: str,
    stack: Sequence[tuple[Entry, Match]],
    can_be_live: Callable[[str], bool],
    packed: Collection[str] = (),
) -> list[Way]:
    """The way of each entry of a stack onto one model.

    `can_be_live` says whether a model key can be changed in the forward pass, `packed` are those that cannot
    be merged. Raises BadMode for an entry that changes during the sampling in merged mode, and NotLive for
    one with a weight that only merging can change.
    """
    ways: list[Way] = []
    for entry, found in stack:
        reason = _reason(mode, entry, found, packed)
        if reason is None and mode != "merged":
            earlier = [stack[i] for i, way in enumerate(ways) if way.is_live]
            before = next((e.name for e, other in earlier if _order_matters(other, found)), None)
            reason = None if before is None else f", to keep its place after {before}"
        if reason is None:
            ways.append(Way(False))
            continue
        merged = frozenset(key for key in found.keys if not can_be_live(key))
        if merged and entry.is_timed:
            raise NotLive(
                sorted(merged),
                f"{entry.name} is on {entry.when}, but no layer of the model applies "
                f"{', '.join(sorted(merged)[:3])} by itself, so the LoRA cannot be switched there. "
                "Give the LoRA one strength for the whole sampling, or use one without such weights",
            )
        ways.append(Way(True, reason, merged))
    return ways


def _reason(mode: str, entry: Entry, found: Match, packed: Collection[str]) -> str | None:
    """Why an entry is live by itself, or None."""
    if entry.is_timed:
        if mode == "merged":
            raise BadMode(
                f"{entry.name} is on {entry.when}, but merged weights stay the same throughout. "
                "Choose mode auto or live, or give it one strength for the whole sampling"
            )
        return f" {entry.when}"
    if mode == "live":
        return ""
    if mode == "auto" and not frozenset(packed).isdisjoint(found.keys):
        return ", as the model's weights are packed and cannot be merged"
    return None


def _order_matters(first: Match, second: Match) -> bool:
    """Whether the two change a weight in a way that depends on which comes first."""
    shared = first.keys & second.keys
    return not shared.isdisjoint(first.keys_that_need_weight | second.keys_that_need_weight)
