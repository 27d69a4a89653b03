"""What became of each LoRA of a stack, in a line or two a person can read, or as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..blocks import ModelBlocks, ranges, within
from ..cache import CacheUse
from ..errors import BadMode, NotALora, NothingMatches, OtherFamily
from ..key_maps import FileFamily, is_text_encoder
from ..reading import Lora, whole_name
from ..stack import Entry
from .matching import Match, Misfit, blocks_present

_UNTOLD = FileFamily()


@dataclass(frozen=True)
class VerdictSide:
    """The connected model or text encoder, as one entry meets it."""

    name: str
    match: Match
    family: ModelBlocks | None
    strength: float

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The blocks the entry has layers in, in the model's order."""
        return blocks_present(self.match, self.family) if self.family is not None else ()

    @property
    def has_layers(self) -> bool:
        return bool(self.match.layers or self.match.foreign)


@dataclass(frozen=True)
class Verdict:
    """One entry against the connected model and text encoder.

    `made_for` is what the file tells of its family. Without the families of the model and the text encoder
    the verdict says nothing of blocks, nor that a LoRA is for another kind of model.
    """

    entry: Entry
    lora: Lora
    model: Match | None  # None: not connected
    clip: Match | None
    made_for: FileFamily = _UNTOLD
    model_family: ModelBlocks | None = None
    clip_family: ModelBlocks | None = None
    way: str = ""  # merged or live, where it changes the model
    unlisted: frozenset[str] = frozenset()  # keys ComfyUI's own loader would leave as they are

    @cached_property
    def parts(self) -> tuple[VerdictSide, ...]:
        """What is connected."""
        entry = self.entry
        met = (
            ("model", self.model, self.model_family, entry.strength_model),
            ("text encoder", self.clip, self.clip_family, entry.strength_clip),
        )
        return tuple(
            VerdictSide(name, found, family, s) for name, found, family, s in met if found is not None
        )

    @property
    def matched(self) -> frozenset[str]:
        """Layer names of the file that the model or the text encoder has."""
        return frozenset(name for part in self.parts for name in part.match.names)

    @property
    def layers(self) -> int:
        """How many layers of the file change a weight; a value to be set is none."""
        return self._changed(self.lora.layers)

    @property
    def changed(self) -> int:
        """How many of them the model or the text encoder has."""
        return self._changed(self.matched)

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        """Layers that are there with another shape."""
        return tuple(misfit for part in self.parts for misfit in part.match.misfits)

    @property
    def foreign_keys(self) -> frozenset[str]:
        """Keys of the file that ComfyUI's own adapters take."""
        return frozenset(
            k for part in self.parts for foreign in part.match.foreign.values() for k in foreign.keys
        )

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Layer names that neither the model nor the text encoder has."""
        known = self.matched | {whole_name(misfit.layer) for misfit in self.misfits}
        return tuple(name for name in self.lora.layers if name not in known)

    @property
    def state(self) -> str:
        """'ok', 'partial' where layers are left out, 'nothing' where the entry changes nothing."""
        if self.nothing:
            return "nothing"
        return "partial" if self.misfits or self._lost else "ok"

    @property
    def nothing(self) -> str:
        """Why the entry changes nothing; empty where it does."""
        if self.entry.start == self.entry.stop:
            return f"start and stop are both {self.entry.start:g}"
        parts = [part for part in self.parts if part.has_layers]
        if not self.parts:
            return ""  # without a model nothing is known
        if not parts:
            return f"none of its layers is in the {self._connected}"
        if not any(part.strength for part in parts):
            return f"its strength is 0 for the {' and the '.join(part.name for part in parts)}"
        if not any(part.strength and _has_weight(self.entry, part) for part in parts):
            return "all its blocks are at 0"
        return ""

    @property
    def other_family(self) -> str:
        """That the file is for another family than the model's, as a clause; empty where it is not, or is
        not known.
        """
        family = self.model_family
        if family is None or family.name == "generic" or not self.made_for.ids:
            return ""
        if self.made_for.fits(family.name):
            return ""
        return f"made for {self.made_for} ({self.made_for.source}), the model is {family.title}"

    def require_lora(self) -> None:
        """Raises NotALora when neither a formula here nor one of ComfyUI's takes a single key."""
        if not self.lora.layers and not self.foreign_keys:
            example = next(iter(self.lora.unknown_keys))
            problem = f"has no key of a LoRA for this model (its first key is {example!r})"
            raise NotALora(self.lora.stamp.path, problem, "Check what the file is for")

    def require_effect(self) -> None:
        """Raises OtherFamily, ShapeMismatch or NothingMatches when the entry cannot do what it is meant to.

        A LoRA all of whose layers fit may be of another family: so are relatives that share their layers.
        """
        if self.other_family and (self.misfits or self._lost or not self.matched):
            raise OtherFamily(
                f"{self.entry.name}: {self.other_family}; {self._counts()}. "
                "Connect a model of its family, or remove the LoRA"
            )
        for part in self.parts:
            part.match.require_fit()
        if not self.matched and not self.foreign_keys:
            example = next(iter(self.lora.layers))
            raise NothingMatches(
                f"{self.entry.name}: none of its {_count(self.lora.layers, 'layer')} is in the connected "
                f"{self._connected} (its first layer is {example!r}). It was made for another kind of model: "
                "connect a model of its family, or remove the LoRA"
            )

        self._require_one_strength()

    def _require_one_strength(self) -> None:
        """Raises BadMode where a curve is meant for layers of the text encoder too."""
        if self.entry.is_clip_on_curve and self.clip and self.clip.names:
            raise BadMode(
                f"{self.entry.name}: the strength {self.entry.curve} changes during the sampling, but "
                f"{_count(self.clip.names, 'layer')} are in the text encoder, which works before it. Write "
                f"unet={self.entry.curve}:te=1, with the strength you want for the text encoder"
            )

    def describe(self) -> str:
        """The verdict as one line, and one more for each thing to know."""
        return self._text

    @cached_property
    def _text(self) -> str:
        strengths = str(self.entry.curve or f"{self.entry.strength_model:g}")
        if self.entry.strength_clip != self.entry.strength_model:
            strengths = f"model {strengths}, text encoder {self.entry.strength_clip:g}"
        lines = [f"{self.entry.name} at {strengths}: {self.facts}"]
        if self.way:
            lines[0] += f"; {self.way}"
        if self.other_family:
            lines[0] += f"; {self.other_family}"
        if self.nothing:
            lines[0] += f"; does nothing: {self.nothing}"
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    @property
    def facts(self) -> str:
        """How many layers match, the format and the rank."""
        counts = self._counts() if self.parts else _count(range(self.layers), "layer")
        return f"{counts}; {self._format()}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What the first line does not say, the weightiest first."""
        return tuple(self._notes())

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain values."""
        matches = {part.name: self._changed(part.match.names) for part in self.parts}
        return {
            "name": self.entry.name,
            "state": self.state,
            "reason": self.nothing or self.other_family,
            "format": self._format(),
            "made_for": list(self.made_for.names),
            "model_family": self.model_family.title if self.model_family is not None else None,
            "layers": self.layers,
            "matched": self.changed,
            "matched_model": matches.get("model"),
            "matched_clip": matches.get("text encoder"),
            "misfits": len(self.misfits),
            "unmatched": len(self.unmatched),
            "unknown_keys": len(self._unknown_keys),
            "blocks": [block for part in self.parts for block in part.blocks],
            "text": self.describe(),
        }

    def _changed(self, names: Iterable[str]) -> int:
        return sum(name not in self.lora.set_whole for name in names)

    @property
    def _lost(self) -> tuple[str, ...]:
        """Layers that what is connected should have and has not."""
        return tuple(name for name in self.unmatched if self.clip is not None or not is_text_encoder(name))

    @property
    def _missing_elements(self) -> frozenset[str]:
        """Weights of elements that nothing connected has, as far as that is known."""
        families = [part.family for part in self.parts]
        if self.entry.blocks.is_neutral or self.model is None or None in families:
            return frozenset()
        missing = (self.entry.blocks.missing(family) for family in families if family is not None)
        return frozenset.intersection(*missing)

    @property
    def _unknown_keys(self) -> list[str]:
        return [key for key in self.lora.unknown_keys if key not in self.foreign_keys]

    def _notes(self) -> Iterator[str]:
        if self.misfits:
            count = _count(self.misfits, "layer")
            yield f"left out because of another shape: {count}, such as {self.misfits[0]}"
        if self.unmatched and (self.matched or self.misfits):
            count = _count(self.unmatched, "layer")
            yield f"not in the {self._connected}: {count}, such as {self.unmatched[0]}"
        yield from self._repeats()
        blocks = [ranges(part.blocks) for part in self.parts if part.blocks]
        if blocks:
            yield f"blocks: {'; '.join(blocks)}"
        if missing := self._missing_elements:
            yield f"no part of the {self._connected} matches {', '.join(sorted(missing))}"
        if self._unknown_keys:
            yield f"not a LoRA's: {_count(self._unknown_keys, 'key')}, such as {self._unknown_keys[0]}"
        yield from self.lora.notes
        # Where ComfyUI's own loader would do something else, and why.
        kinds = {a.kind: a.unlike_host for name in self.matched for a in self.lora.layers[name]}
        yield from (f"{kind}: {unlike}" for kind, unlike in kinds.items() if unlike)
        if self.unlisted:
            count, example = _count(self.unlisted, "weight"), min(self.unlisted)
            yield f"skipped by ComfyUI's own loader, written by this pack: {count}, such as {example}"
        if self.entry.is_timed and self.clip and self.entry.strength_clip:
            strength = f"{self.entry.strength_clip:g}"
            yield f"the text encoder has no steps, so its part acts throughout, at {strength}"
        if self.foreign_keys:
            yield (
                f"{_count(self.foreign_keys, 'key')} of a format this pack has no formula for, "
                "applied in their place by ComfyUI's own adapters"
            )
        if self.lora.embeddings:
            listed = ", ".join(self.lora.embeddings[:5])
            yield (
                f"{_count(self.lora.embeddings, 'embedding')} packed in ({listed}), left alone: "
                "extract them to models/embeddings to name them in the prompt"
            )

    def _repeats(self) -> Iterator[str]:
        found = [repeat for part in self.parts for repeat in part.match.repeats]
        if found:
            first = found[0]
            example = f"such as {first.layer} beside {first.counts}"
            yield f"said twice, applied once: {_count(found, 'layer')}, {example}"
        other = [repeat for repeat in found if repeat.is_same is False]
        if other:
            first = other[0]
            yield (
                f"with other values the second time: {_count(other, 'layer')}, such as {first.layer}; "
                f"left out, because {first.counts} covers more of the weight or stands first"
            )

    @property
    def _connected(self) -> str:
        return " and ".join(part.name for part in self.parts) or "nothing"

    def _counts(self) -> str:
        numbers = {part.name: self._changed(part.match.names) for part in self.parts}
        parts = [f"{number} in the {name}" for name, number in numbers.items() if number]
        text = f"{self.changed} of {self.layers} layers match"
        text += f" ({', '.join(parts)})" if parts else ""
        whole = self.lora.set_whole
        return text + (f", {len(self.matched & whole)} of {_count(whole, 'weight')} set" if whole else "")

    def _format(self) -> str:
        kinds = self.lora.kinds
        named = [_named_kind(kind, ranks, len(kinds) > 1) for kind, ranks in kinds.items()]
        return "; ".join(named) or "a format of ComfyUI's own adapters"


def _has_weight(entry: Entry, part: VerdictSide) -> bool:
    """Whether block weights leave anything of an entry in a part."""
    if entry.blocks.is_neutral or part.family is None:
        return True
    weights = entry.blocks.by_key(part.family)
    targets = (*part.match.layers.values(), *part.match.foreign)
    return any(within(weights[target.key], target.offset) for target in targets)


def _named_kind(kind: str, ranks: Counter[int | None], with_count: bool) -> str:
    known = [rank for rank in ranks if rank is not None]
    if known:
        low, high = min(known), max(known)
        kind += f", rank {low}" if low == high else f", ranks {low} to {high}"
    return f"{kind} ({_count(list(ranks.elements()), 'layer')})" if with_count else kind


def report(verdicts: Sequence[Verdict], cache: CacheUse, entries: Sequence[Entry] = ()) -> str:
    """The verdicts of a whole stack, the entries that did nothing, and what the cache holds."""
    lines = [verdict.describe() for verdict in verdicts] or ["nothing to apply: every entry is off or at 0"]
    lines += [f"{entry.name}: {entry.why_idle}" for entry in entries if not entry.is_active]
    if live := [verdict.entry.name for verdict in verdicts if verdict.way.startswith("live")]:
        lines.append(
            f"live, so not in a model that is saved or merged with another after this: {', '.join(live)}"
        )
    held, allowed = cache.bytes_held / 2**20, cache.bytes_allowed / 2**20
    lines.append(f"cache: {held:.0f} of {allowed:.0f} MiB")
    return "\n".join(lines)


def _count(items: Sized, noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
