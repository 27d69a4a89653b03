"""What became of each LoRA of a stack, in a line or two a person can read."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass

from .cache import CacheUse
from .errors import NothingMatches
from .lora import Lora
from .patch import Match, Misfit
from .stack import Entry


@dataclass(frozen=True)
class Verdict:
    """One entry against the connected model and text encoder."""

    entry: Entry
    lora: Lora
    model: Match | None  # None: not connected
    clip: Match | None

    @property
    def matched(self) -> frozenset[str]:
        """Layer names of the file that the model or the text encoder has."""
        return frozenset(name for part in (self.model, self.clip) if part for name in part.layers)

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """Layers that are there with another shape."""
        return tuple(misfit for part in (self.model, self.clip) if part for misfit in part.misfits)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Layer names that neither the model nor the text encoder has."""
        known = self.matched | {misfit.layer for misfit in self.misfits}
        return tuple(name for name in self.lora.layers if name not in known)

    def require_effect(self) -> None:
        """Raises ShapeMismatch or NothingMatches when the entry cannot do what its trainer meant."""
        for part in (self.model, self.clip):
            if part is not None:
                part.require_fit()
        if not self.matched:
            example = next(iter(self.lora.layers))
            raise NothingMatches(
                f"{self.entry.name}: none of its {_count(self.lora.layers, 'layer')} is in the connected "
                f"{self._parts()} (its first layer is {example!r}). It was made for another kind of model: "
                "connect a model of its family, or take the LoRA out"
            )

    def describe(self) -> str:
        """The verdict as one line, and one more for each thing to know."""
        strengths = f"{self.entry.strength_model:g}"
        if self.entry.strength_clip != self.entry.strength_model:
            strengths = f"model {strengths}, text encoder {self.entry.strength_clip:g}"
        lines = [f"{self.entry.name} at {strengths}: {self._counts()}; {self._format()}"]
        if self.misfits:
            count = _count(self.misfits, "layer")
            lines.append(f"  left out for another shape: {count}, such as {self.misfits[0]}")
        if self.unmatched:
            count = _count(self.unmatched, "layer")
            lines.append(f"  not in the {self._parts()}: {count}, such as {self.unmatched[0]}")
        if self.lora.unknown_keys:
            count = _count(self.lora.unknown_keys, "key")
            lines.append(f"  not a LoRA's: {count}, such as {self.lora.unknown_keys[0]}")
        return "\n".join(lines)

    def _parts(self) -> str:
        names = [name for name, part in (("model", self.model), ("text encoder", self.clip)) if part]
        return " and ".join(names) or "nothing"

    def _counts(self) -> str:
        parts = [
            f"{len(part.layers)} in the {name}"
            for name, part in (("model", self.model), ("text encoder", self.clip))
            if part and part.layers
        ]
        total = len(self.lora.layers)
        return f"{len(self.matched)} of {total} layers match" + (f" ({', '.join(parts)})" if parts else "")

    def _format(self) -> str:
        ranks = self.lora.ranks
        named = []
        if ranks:
            low, high = min(ranks), max(ranks)
            named.append(f"LoRA, rank {low}" if low == high else f"LoRA, ranks {low} to {high}")
        if self.lora.foreign_count:
            named.append(f"{_count(range(self.lora.foreign_count), 'layer')} through ComfyUI's own adapters")
        return "; ".join(named)


def report(verdicts: Sequence[Verdict], cache: CacheUse) -> str:
    """The verdicts of a whole stack, then what the cache of files and factors holds."""
    lines = [verdict.describe() for verdict in verdicts] or ["nothing to apply: every entry is off or at 0"]
    held, allowed = cache.bytes_held / 2**20, cache.bytes_allowed / 2**20
    lines.append(f"cache: {held:.0f} of {allowed:.0f} MiB")
    return "\n".join(lines)


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
