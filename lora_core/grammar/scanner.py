"""What a text holds: all that can be read, where it stands, and every mistake.

Reading does not stop at the first mistake, so that a node can report all bad rows at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import BadRow, BadStackText
from ..stack import Comment, Entry, NamedRack, Row, Stack
from .source import SourceText
from .tags import read_tag, tag_end

MOST_ERRORS = 1_000  # after which reading stops
MOST_ROWS = 10_000  # of one stack


@dataclass(frozen=True)
class Tag:
    """An entry as it stands in a text: line and column of its '<', counted from 1."""

    entry: Entry
    line: int
    column: int


@dataclass(frozen=True)
class RackTag:
    """A named rack as it stands in a text, its place as that of a Tag."""

    rack: NamedRack
    line: int
    column: int


@dataclass(frozen=True)
class Scan:
    """Rows in order, the tags and named racks among them, and what could not be read; all as the text has it.

    Where there are as many errors as were asked for, or more rows than a stack has, the rest was not read.
    """

    rows: tuple[Row, ...]
    tags: tuple[Tag, ...]
    errors: tuple[BadStackText, ...]
    racks: tuple[RackTag, ...] = ()

    def stack(self) -> Stack:
        """The rows as a stack. Raises the first error, if there is one."""
        if self.errors:
            raise self.errors[0]
        return Stack(self.rows)


class Scanner:
    """Collects a scan while a text is read from left to right, until it `is_full`."""

    def __init__(self, text: str, most_errors: int = MOST_ERRORS) -> None:
        self._most_errors = most_errors
        self.source = SourceText(text)
        self.rows: list[Row] = []
        self._tags: list[Tag] = []
        self._racks: list[RackTag] = []
        self._errors: list[BadStackText] = []

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be read."""
        return len(self._errors) >= self._most_errors or len(self.rows) > MOST_ROWS

    def tag(
        self, start: int, enabled: bool = True, change: Callable[[Entry], Entry] = lambda entry: entry
    ) -> int:
        """Read the tag that begins at `start` and keep its entry, changed; the offset to go on from."""
        try:
            end = tag_end(self.source, start)
        except BadStackText as error:
            self._errors.append(error)
            _, line_end = self.source.line_at(start)
            opened = self.source.text.find("<", start + 1, line_end)
            return line_end if opened < 0 else opened
        try:
            row = read_tag(self.source, start, end)
        except BadStackText as error:
            self._errors.append(error)
            return end + 1
        row = row if enabled else replace(row, enabled=False)
        if isinstance(row, NamedRack):
            self._racks.append(RackTag(row, *self.source.place(start)))
        else:
            try:
                row = change(row)
            except BadRow as error:
                self.mistake(start, "a tag in brackets", str(error))
                return end + 1
            self._tags.append(Tag(row, *self.source.place(start)))
        self._add(start, row)
        return end + 1

    def comment(self, offset: int, text: str) -> None:
        """Keep a remark that stands at this offset."""
        self._add(offset, Comment(text))

    def _add(self, offset: int, row: Row) -> None:
        if len(self.rows) == MOST_ROWS:
            self.mistake(offset, f"row {MOST_ROWS + 1}", f"at most {MOST_ROWS} rows in a stack")
        self.rows.append(row)

    def mistake(self, offset: int, found: str, expected: str) -> None:
        """Note that something else was expected at this offset."""
        self._errors.append(self.source.error(offset, found, expected))

    def result(self) -> Scan:
        """All that was collected."""
        return Scan(tuple(self.rows), tuple(self._tags), tuple(self._errors), tuple(self._racks))
