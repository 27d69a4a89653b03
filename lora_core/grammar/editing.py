"""Tags in brackets that say from when or until when, as A1111's prompt editing does for words.

    [<lora:a:1>:0.3]                 a from 0.3 of the sampling on
    [<lora:a:1>::0.5]                a until there
    [<lora:a:1>:<lora:b:1>:0.5]      first a, then b

A whole number above 1 is a step: 10 changes after ten of them. Brackets that hold words besides are words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import BadRow, BadStackText
from ..schedule import Steps
from ..stack import Entry
from .numbers import NUMBER
from .source import SourceText
from .tags import tag_end

Change = Callable[[Entry], Entry]

_TAG = re.compile(r"<[ \t]*(?:lora|lyco)[ \t]*:", re.IGNORECASE)
_GAP = re.compile(r"[ \t,]*")
_WHEN = re.compile(rf"({NUMBER})[ \t]*\]", re.ASCII)
_SIDES = 2
_EDGE = 1e-6  # what moments are told to: the first is over where the second begins


@dataclass(frozen=True)
class Editing:
    """Brackets around tags: where each tag begins, what becomes of its entry, and where the brackets end."""

    tags: tuple[tuple[int, Change], ...]
    end: int


def read_editing(source: SourceText, start: int) -> Editing | None:
    """The editing whose '[' is at `start`; None where the brackets hold anything else."""
    text, position = source.text, start + 1
    sides: list[list[int]] = [[]]
    while True:
        position = _after(_GAP, text, position)
        if _TAG.match(text, position):
            sides[-1].append(position)
            try:
                position = tag_end(source, position) + 1
            except BadStackText:
                return None
        elif text[position : position + 1] == ":" and len(sides) <= _SIDES:
            sides.append([])
            position += 1
        else:
            break
    when = _WHEN.match(text, position)
    *sides, last = sides
    if when is None or last or not any(sides):
        return None
    first, second = sides if len(sides) == _SIDES else ([], sides[0])
    value = float(when[1])
    if not 0 <= value < 1e9 or (value > 1 and value != int(value)):
        return None
    until, since = _until(value, is_followed=bool(second)), _since(value)
    tags = [*((place, until) for place in first), *((place, since) for place in second)]
    return Editing(tuple(sorted(tags, key=lambda tag: tag[0])), when.end())


def _until(when: float, is_followed: bool) -> Change:
    if when > 1:
        return _in_time(steps=Steps(1, int(when)))
    return _in_time(stop=max(0.0, when - _EDGE) if is_followed else when)


def _since(when: float) -> Change:
    return _in_time(steps=Steps(int(when) + 1)) if when > 1 else _in_time(start=when)


def _in_time(start: float = 0.0, stop: float = 1.0, steps: Steps | None = None) -> Change:
    def change(entry: Entry) -> Entry:
        if entry.is_timed:
            raise BadRow("either the brackets or the tag says when")
        return replace(entry, start=start, stop=stop, steps=steps)

    return change


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
