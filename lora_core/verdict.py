"""What became of each LoRA of a stack, in a line or two a person can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Sized
from dataclasses import dataclass

from .cache import CacheUse
from .errors import NotALora, NothingMatches
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
    way: str = ""  # merged or live, where it changes the model

    @property
    def matched(self) -> frozenset[str]:
        """Layer names of the file that the model or the text encoder has."""
        return frozenset(name for part in (self.model, self.clip) if part for name in part.layers)

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """Layers that are there with another shape."""
        return tuple(misfit for part in (self.model, self.clip) if part for misfit in part.misfits)

    @property
    def foreign_keys(self) -> frozenset[str]:
        """Keys of the file that ComfyUI's own adapters take."""
        parts = [part for part in (self.model, self.clip) if part]
        return frozenset(key for part in parts for foreign in part.foreign.values() for key in foreign.keys)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Layer names that neither the model nor the text encoder has."""
        known = self.matched | {misfit.layer for misfit in self.misfits}
        return tuple(name for name in self.lora.layers if name not in known)

    def require_lora(self) -> None:
        """Raises NotALora when neither a formula here nor one of ComfyUI's takes a single key."""
        if not self.lora.layers and not self.foreign_keys:
            example = next(iter(self.lora.unknown_keys))
            problem = f"has no key a LoRA for this model would have (its first key is {example!r})"
            raise NotALora(self.lora.stamp.path, problem, "Check what the file is for")

    def require_effect(self) -> None:
        """Raises ShapeMismatch or NothingMatches when the entry cannot do what its trainer meant."""
        for part in (self.model, self.clip):
            if part is not None:
                part.require_fit()
        if not self.matched and not self.foreign_keys:
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
        way = f"; {self.way}" if self.way else ""
        lines = [f"{self.entry.name} at {strengths}: {self._counts()}; {self._format()}{way}"]
        if self.misfits:
            count = _count(self.misfits, "layer")
            lines.append(f"  left out for another shape: {count}, such as {self.misfits[0]}")
        if self.unmatched:
            count = _count(self.unmatched, "layer")
            lines.append(f"  not in the {self._parts()}: {count}, such as {self.unmatched[0]}")
        unknown = [key for key in self.lora.unknown_keys if key not in self.foreign_keys]
        if unknown:
            lines.append(f"  not a LoRA's: {_count(unknown, 'key')}, such as {unknown[0]}")
        return "\n".join([*lines, *(f"  {note}" for note in self._notes())])

    def _notes(self) -> list[str]:
        """What the numbers do not say: where ComfyUI's own loader would do something else, and why."""
        kinds = {a.kind: a.unlike_host for name in self.matched for a in self.lora.layers[name]}
        notes = [*self.lora.notes, *(f"{kind}: {unlike}" for kind, unlike in kinds.items() if unlike)]
        if self.entry.has_window and self.clip and self.entry.strength_clip:
            notes.append("the text encoder knows no steps, so its part is applied throughout")
        if self.foreign_keys:
            notes.append(
                f"{_count(self.foreign_keys, 'key')} of a format this pack has no formula for, "
                "applied in their place by ComfyUI's own adapters"
            )
        if self.lora.embeddings:
            listed = ", ".join(self.lora.embeddings[:5])
            notes.append(
                f"{_count(self.lora.embeddings, 'embedding')} packed in ({listed}), left alone: "
                "extract them to models/embeddings to name them in the prompt"
            )
        return notes

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
        kinds = self.lora.kinds
        named = [_named_kind(kind, ranks, len(kinds) > 1) for kind, ranks in kinds.items()]
        return "; ".join(named) or "a format of ComfyUI's own adapters"


def _named_kind(kind: str, ranks: Counter[int | None], with_count: bool) -> str:
    known = [rank for rank in ranks if rank is not None]
    if known:
        low, high = min(known), max(known)
        kind += f", rank {low}" if low == high else f", ranks {low} to {high}"
    return f"{kind} ({_count(list(ranks.elements()), 'layer')})" if with_count else kind


def report(verdicts: Sequence[Verdict], cache: CacheUse) -> str:
    """The verdicts of a whole stack, then what the cache of files and factors holds."""
    lines = [verdict.describe() for verdict in verdicts] or ["nothing to apply: every entry is off or at 0"]
    held, allowed = cache.bytes_held / 2**20, cache.bytes_allowed / 2**20
    lines.append(f"cache: {held:.0f} of {allowed:.0f} MiB")
    return "\n".join(lines)


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
