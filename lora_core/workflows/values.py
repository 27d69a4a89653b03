"""From values as a workflow stores them to entries: what is no name or no number is said, and left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..blocks import NEUTRAL, BlockWeights
from ..errors import NotConvertible, RackError
from ..stack import Entry

Values = Mapping[str, Any]

_NONE = frozenset({"none", ""})  # what packs store for an empty row


@dataclass(frozen=True)
class Said:
    """The LoRAs of a node in order, what differs once they are ours, and the rows that cannot be read."""

    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Said:
        """The same with more to say about it."""
        return replace(self, notes=(*self.notes, *notes))

    def switched_off(self) -> Said:
        """The same with every LoRA off."""
        return replace(self, entries=tuple(replace(entry, enabled=False) for entry in self.entries))


def gather(rows: Iterable[Callable[[], Entry]], notes: tuple[str, ...] = ()) -> Said:
    """The rows that can be read, and why others cannot."""
    entries: list[Entry] = []
    problems: list[str] = []
    for make in rows:
        try:
            entries.append(make())
        except RackError as error:
            problems.append(str(error))
    return Said(tuple(entries), notes, tuple(problems))


def is_empty(name: object) -> bool:
    """Whether a row names nothing, as packs say it."""
    return name is None or (isinstance(name, str) and name.strip().lower() in _NONE)


def entry(
    name: Any,
    model: Any,
    clip: Any,
    enabled: bool = True,
    blocks: BlockWeights = NEUTRAL,
    start: Any = 0.0,
    stop: Any = 1.0,
) -> Entry:
    """An entry of values as stored. Raises NotConvertible for what is no name, no number or no window."""
    if not isinstance(name, str) or not name.strip():
        raise NotConvertible(f"its LoRA is {name!r}, which is not a name")
    if bad := set("<>:\r\n") & set(name):
        raise NotConvertible(
            f"the name {name!r} has {min(bad)!r} in it, which no tag can contain: rename the file"
        )
    strengths = [number(value, f"the strength of {name!r}") for value in (model, clip)]
    window = [number(value, f"the window of {name!r}") for value in (start, stop)]
    try:
        return Entry(
            name.strip().replace("\\", "/"),
            strengths[0],
            strengths[1],
            enabled,
            blocks,
            window[0],
            window[1],
        )
    except ValueError as error:
        raise NotConvertible(str(error)) from None


def number(value: Any, what: str) -> float:
    """A finite number. Raises NotConvertible."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise NotConvertible(f"{what} is {_shown(value)}, which is not a number") from None
    if not math.isfinite(found):
        raise NotConvertible(f"{what} is not finite")
    return found


def required(values: Values, name: str) -> Any:
    """A value that must be there. Raises NotConvertible."""
    if name not in values:
        raise NotConvertible(f"it has no value for {name!r}")
    return values[name]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
