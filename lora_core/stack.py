"""Which LoRAs are on and how strong: the data of a rack.

A stack touches no file and no model. grammar.py turns text into one and back, patch.py carries it out.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .blocks import NEUTRAL, BlockWeights
from .errors import BadRow
from .untrusted import shown

_HASH = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Entry:
    """One LoRA of a stack. `name` is as written; resolve.py says which file it means.

    `start` and `stop` are fractions of the sampling, 0 the first step; `hash` is the beginning of a content
    hash, 8 to 64 lower-case hex digits, empty where none is given.
    """

    name: str
    strength_model: float = 1.0
    strength_clip: float = 1.0
    enabled: bool = True
    blocks: BlockWeights = NEUTRAL
    start: float = 0.0
    stop: float = 1.0
    hash: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.name != self.name.strip():
            raise BadRow(f"a LoRA's name may not be empty or have spaces around it: {shown(self.name)}")
        if not (math.isfinite(self.strength_model) and math.isfinite(self.strength_clip)):
            raise BadRow(f"strengths of {shown(self.name)} must be finite numbers")
        if not 0 <= self.start <= self.stop <= 1:
            raise BadRow(f"{shown(self.name)} must start and stop within 0 and 1, in this order")
        if self.hash and not _HASH.fullmatch(self.hash):
            raise BadRow(
                f"the hash of {shown(self.name)} must be 8 to 64 lower-case hex digits: {shown(self.hash)}"
            )

    @property
    def has_window(self) -> bool:
        """Whether the entry is on for a part of the sampling only."""
        return (self.start, self.stop) != (0.0, 1.0)

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

    def is_on(self, fraction: float) -> bool:
        """Whether the entry is on at a fraction of the sampling, given that it is at all."""
        return self.start < self.stop and self.start <= fraction <= self.stop


@dataclass(frozen=True)
class Comment:
    """A remark between the entries, kept so that no edit loses it. `text` follows the '#'."""

    text: str

    def __post_init__(self) -> None:
        if self.text != self.text.strip() or self.text.startswith("<") or {"\n", "\r"} & set(self.text):
            raise BadRow(f"a comment is one trimmed line that does not begin with '<': {shown(self.text)}")


@dataclass(frozen=True)
class Stack:
    """Entries in the order they are applied, and the comments between them."""

    rows: tuple[Entry | Comment, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries alone, those switched off included."""
        return tuple(row for row in self.rows if isinstance(row, Entry))

    @property
    def active(self) -> tuple[Entry, ...]:
        """The entries that change anything."""
        return tuple(entry for entry in self.entries if entry.is_active)

    @property
    def idle(self) -> tuple[Entry, ...]:
        """The entries that change nothing."""
        return tuple(entry for entry in self.entries if not entry.is_active)
