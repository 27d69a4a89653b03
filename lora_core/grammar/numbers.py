"""Numbers in tags: how they are read."""

from __future__ import annotations

import re

from ..untrusted import MAX_STRENGTH, is_strength, shown
from .source import SourceText, TagPart

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(NUMBER, re.ASCII)


def is_number(text: str) -> bool:
    """Whether the whole text is a number as tags write it; `nan` and `inf` are none."""
    return _NUMBER.fullmatch(text) is not None


def read_number(source: SourceText, part: TagPart, expected: str = "a number such as 0.8 or -1") -> float:
    """The number a part holds, no larger than a strength may be. Raises BadStackText."""
    if not is_number(part.text):
        raise source.error(part.offset, repr(part.text) if part.text else "nothing", expected)
    value = float(part.text)
    if not is_strength(value):
        limits = f"a finite number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
        raise source.error(part.offset, shown(part.text), limits)
    return value
