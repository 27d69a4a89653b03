"""Which LoRAs are on and how strong: the data of a rack.

A stack touches no file and no model. grammar.py turns text into one and back, patch.py carries it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from .blocks import NEUTRAL, BlockWeights
from .errors import BadMode, BadRow, MissingRack
from .schedule import Moment, Steps, StrengthCurve
from .untrusted import MAX_STRENGTH, is_strength, shown

_HASH = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Entry:
    """One LoRA of a stack. `name` is as written; resolve.py says which file it means.

    `start` and `stop` are fractions of the sampling, 0 the first step; `steps` are those of the sampler. A
    `curve` is the model's strength over the sampling, and `strength_model` its peak; `is_clip_on_curve` says
    that it was meant for the text encoder too, which has no steps. `hash` is the beginning of a content hash,
    8 to 64 lower-case hex digits, empty where none is given.
    """

    name: str
    strength_model: float = 1.0
    strength_clip: float = 1.0
    enabled: bool = True
    blocks: BlockWeights = NEUTRAL
    start: float = 0.0
    stop: float = 1.0
    hash: str = ""
    steps: Steps | None = None
    curve: StrengthCurve | None = None
    is_clip_on_curve: bool = False

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip():
            raise BadRow(f"a LoRA's name may not be empty or have spaces around it: {shown(self.name)}")
        for strength in (self.strength_model, self.strength_clip):
            if not is_strength(strength):
                raise BadRow(_senseless(shown(self.name), strength))
        if not 0 <= self.start <= self.stop <= 1:
            raise BadRow(f"{shown(self.name)} must start and stop within 0 and 1, in this order")
        if self.curve and self.strength_model != self.curve.peak:
            raise BadRow(f"the strength of {shown(self.name)} must be the peak of its curve, {self.curve}")
        if self.is_clip_on_curve and (not self.curve or self.strength_clip != self.strength_model):
            raise BadRow(f"the text encoder's strength of {shown(self.name)} must be the peak of its curve")
        if self.hash and not _HASH.fullmatch(self.hash):
            raise BadRow(
                f"the hash of {shown(self.name)} must be 8 to 64 lower-case hex digits: {shown(self.hash)}"
            )

    @property
    def is_timed(self) -> bool:
        """Whether its strength changes during the sampling."""
        return (self.start, self.stop) != (0.0, 1.0) or self.steps is not None or self.curve is not None

    @property
    def when(self) -> str:
        """When it is on and how strong, in words; empty where it is on throughout, always as strong."""
        window = (self.start, self.stop) != (0.0, 1.0)
        parts = [
            f"from {self.start:g} to {self.stop:g} of the sampling" if window else "",
            _steps_in_words(self.steps) if self.steps else "",
            f"along {self.curve}" if self.curve else "",
        ]
        return ", ".join(filter(None, parts))

    @property
    def is_active(self) -> bool:
        """Whether the entry changes anything: switched on, not zero everywhere, and on at some time."""
        return not self.why_idle

    @property
    def why_idle(self) -> str:
        """Why the entry changes nothing, in words; empty for one that does."""
        if not self.enabled:
            return "off"
        if self.strength_model == 0 and self.strength_clip == 0:
            return "at 0"
        if self.start == self.stop:
            return f"never on, start and stop are both {self.start:g}"
        return ""

    def share_at(self, moment: Moment) -> float:
        """The part of its strength for the model that it has at a moment, 1 for all of it.

        Raises BadMode where it is on in some steps and the sampler does not say which one this is.
        """
        if not (self.start < self.stop and self.start <= moment.fraction <= self.stop):
            return 0.0
        if self.steps is not None:
            if moment.step is None:
                raise BadMode(
                    f"{self.name} is on in steps {self.steps}, but this sampler does not say which noise "
                    "levels it visits. Use start and stop, or another sampler"
                )
            if moment.step not in self.steps:
                return 0.0
        if self.curve is None or self.strength_model == 0:
            return 1.0
        return self.curve.at(moment.fraction) / self.strength_model

    def scaled(self, factor: float) -> Entry:
        """The same entry, stronger or weaker."""
        curve = self.curve and self.curve.scaled(factor)
        model = curve.peak if curve else self.strength_model * factor
        clip = model if self.is_clip_on_curve else self.strength_clip * factor
        return replace(self, strength_model=model, strength_clip=clip, curve=curve)


def _steps_in_words(steps: Steps) -> str:
    if steps.last is None:
        return f"from step {steps.first}"
    return f"in step {steps}" if steps.first == steps.last else f"in steps {steps}"


E = TypeVar("E", bound=Entry)


def not_in(first: Iterable[Entry], more: Iterable[E]) -> tuple[list[E], list[E]]:
    """Those of `more` that `first` does not have, and those that it has.

    Two entries are the same if all but their hashes is equal, which only say where their files are. Entries
    that were looked up have the host's names, so that two spellings of one file are the same too.
    """
    known = {replace(entry, hash="") for entry in first}
    split: tuple[list[E], list[E]] = ([], [])
    for entry in more:
        split[replace(entry, hash="") in known].append(entry)
    return split


def _senseless(of: str, strength: float) -> str:
    # A whole number may be too long for 'g'.
    told = f"{strength:g}" if isinstance(strength, float) else shown(strength)
    return (
        f"the strength of {of} is {told}, "
        f"it must be a finite number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
    )


@dataclass(frozen=True)
class Comment:
    """A remark between the entries, kept so that no edit loses it. `text` follows the '#'."""

    text: str

    def __post_init__(self) -> None:
        if self.text != self.text.strip() or self.text.startswith("<") or {"\n", "\r"} & set(self.text):
            raise BadRow(f"a comment is one trimmed line that does not begin with '<': {shown(self.text)}")


@dataclass(frozen=True)
class NamedRack:
    """A stack that is kept under a name, as one row; all its strengths are multiplied by `strength`.

    racks/expanding.py puts its rows in its place.
    """

    name: str
    strength: float = 1.0
    enabled: bool = True

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip():
            raise BadRow(f"a rack's name may not be empty or have spaces around it: {shown(self.name)}")
        if not is_strength(self.strength):
            raise BadRow(_senseless(f"the rack {shown(self.name)}", self.strength))

    @property
    def is_active(self) -> bool:
        """Whether its rows are wanted."""
        return self.enabled and self.strength != 0


Row = Entry | Comment | NamedRack


@dataclass(frozen=True)
class Stack:
    """Entries in the order they are applied, named racks among them, and the comments between them."""

    rows: tuple[Row, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries alone, those switched off included.

        Raises MissingRack for a named rack that is on and was not expanded: its LoRAs would be lost.
        """
        for row in self.rows:
            if isinstance(row, NamedRack) and row.is_active:
                raise MissingRack(row.name, None)
        return tuple(row for row in self.rows if isinstance(row, Entry))

    @property
    def active(self) -> tuple[Entry, ...]:
        """The entries that change anything."""
        return tuple(entry for entry in self.entries if entry.is_active)

    @property
    def idle(self) -> tuple[Entry, ...]:
        """The entries that change nothing."""
        return tuple(entry for entry in self.entries if not entry.is_active)
