"""Numbers in tags: how they are read."""

from __future__ import annotations

import math
import re

from .source import SourceText, TagPart

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBER = re.compile(NUMBER, re.ASCII)


def is_number(text: str) -> bool:
    """Whether the whole text is a number as tags write it; `nan` and `inf` are none."""
    return _NUMBER.fullmatch(text) is not None


def read_number(source: SourceText, part: TagPart, expected: str = "a number such as 0.8 or -1") -> float:
    """The number a part holds. Raises BadStackText."""
    if not is_number(part.text):
        raise source.error(part.offset, repr(part.text) if part.text else "nothing", expected)
    value = float(part.text)
    if not math.isfinite(value):
        raise source.error(part.offset, repr(part.text), "a finite number")
    return value
