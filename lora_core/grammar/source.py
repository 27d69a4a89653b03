"""A text and its places: offsets inside, lines and columns towards people."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BadStackText

_OFF = re.compile(r"\s*#")
LINE_END = re.compile(r"\r\n|\r|\n")


class TagPart(NamedTuple):
    """A piece of a text without the spaces around it, and where it begins."""

    text: str
    offset: int


class SourceText:
    """A text that is being read. Offsets count from 0, lines and columns from 1."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._looked_at = -1, 0  # a line, and where its '#' ends
        self._starts = [0, *(end.end() for end in LINE_END.finditer(text))]
        self._ends = [*(end.start() for end in LINE_END.finditer(text)), len(text)]

    def lines(self) -> Iterator[tuple[int, int]]:
        """Where each line begins and ends, its line end left out."""
        return zip(self._starts, self._ends, strict=True)

    def line_at(self, offset: int) -> tuple[int, int]:
        """Where the line that holds this offset begins and ends."""
        index = bisect_right(self._starts, offset) - 1
        return self._starts[index], self._ends[index]

    def is_off(self, offset: int) -> bool:
        """Whether the line that holds this offset begins with a '#' before it."""
        start, end = self.line_at(offset)
        if start != self._looked_at[0]:
            found = _OFF.match(self.text, start, end)
            self._looked_at = start, found.end() if found else end + 1
        return self._looked_at[1] <= offset

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def error(self, offset: int, found: str, expected: str) -> BadStackText:
        """The error that something else was expected at this offset."""
        return BadStackText(*self.place(offset), found, expected)

    def part(self, start: int, end: int) -> TagPart:
        """The text between two offsets, trimmed; where nothing is left, the place it begins."""
        raw = self.text[start:end]
        text = raw.strip()
        return TagPart(text, start + len(raw) - len(raw.lstrip()) if text else start)
