"""A prompt with tags among its words: the tags are read and taken out, the words stay as they were typed.

A '<' begins a tag where the word `lora` or `lyco` follows it, or `rack:`. Anything else in angle brackets is
text (`<3`, `a < b`, other programs' tags), but for two kinds of tag that name networks a prompt without them
would lack.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from ..stack import Comment, Entry, NamedRack, Row, Stack
from .editing import read_editing
from .scanner import MOST_ERRORS, Scan, Scanner
from .source import LINE_END
from .words import Words
from .writing import write_row

_TAG = re.compile(
    r"<[ \t]*(?:(?:lora|lyco)(?![\w-])|(?:rack|hypernet|loractl)[ \t]*:)"
    r"|\[[ \t:,]*<[ \t]*(?:lora|lyco)[ \t]*:",
    re.IGNORECASE,
)
_GAP = re.compile(r"[ \t]*")


@dataclass(frozen=True)
class Prompt:
    """The words of a prompt, and the stack its tags make."""

    text: str
    stack: Stack


@dataclass(frozen=True)
class PromptScan:
    """The words of a prompt, and every tag and mistake in it."""

    text: str
    found: Scan


def read_prompt(text: str) -> Prompt:
    """A prompt without its tags, and their stack. Raises BadStackText for the first malformed tag."""
    scanned = scan_prompt(text, most_errors=1)
    return Prompt(scanned.text, scanned.found.stack())


def scan_prompt(text: str, most_errors: int = MOST_ERRORS) -> PromptScan:
    """The words of a prompt, every tag and every mistake. A bad tag is left out of the words too.

    Reading stops where the bounds of a text are reached, as in `scan`.
    """
    scanner = Scanner(text, most_errors)
    words, position, end = Words(), 0, len(text.rstrip())
    while not scanner.is_full and (found := _TAG.search(text, position)):
        words.add(text[position : found.start()])
        position = _taken(scanner, found.start())
        if position == found.start():  # a bracket that is a word like others
            words.add("[")
            position += 1
            continue
        position = _close_gap(words, text, position, end)
    words.add(text[position:])
    return PromptScan(words.text(), scanner.result())


def take_out(text: str, starts: Collection[int]) -> Prompt:
    """The prompt without those of its tags that begin at `starts`, and their stack; all else is as it was.

    Where one of several tags in brackets goes, the brackets go too, and the others say when they are on.
    """
    scanner, words, taken = Scanner(text), Words(), list[Row]()
    position, end = 0, len(text.rstrip())
    while not scanner.is_full and (found := _TAG.search(text, position)):
        start = found.start()
        words.add(text[position:start])
        position, here = _rows_at(scanner, start)
        gone = [row for place, row in here.items() if place in starts]
        left = [replace(row, enabled=True) for place, row in here.items() if place not in starts]
        taken += gone
        if not gone:
            words.add(text[start:position])
        elif left:
            words.add(" ".join(map(write_row, left)))
        else:
            position = _close_gap(words, text, position, end)
    words.add(text[position:])
    return Prompt(words.text(), Stack(tuple(taken)))


def _rows_at(scanner: Scanner, start: int) -> tuple[int, dict[int, Entry | NamedRack]]:
    """Where what begins at `start` ends, and its rows by the places of their tags; none where one is bad."""
    known = len(scanner.rows)
    editing = read_editing(scanner.source, start) if scanner.source.text[start] == "[" else None
    end = max(_taken(scanner, start), start + 1)
    places = [place for place, _ in editing.tags] if editing else [start]
    rows = [row for row in scanner.rows[known:] if not isinstance(row, Comment)]
    return end, dict(zip(places, rows, strict=True)) if len(rows) == len(places) else {}


def _taken(scanner: Scanner, start: int) -> int:
    """Read the tag, or the brackets around tags, that begin at `start`; where they end, `start` for words."""
    enabled = not scanner.source.is_off(start)
    if scanner.source.text[start] == "<":
        return scanner.tag(start, enabled)
    editing = read_editing(scanner.source, start)
    if editing is None:
        return start
    for place, change in editing.tags:
        scanner.tag(place, enabled, change)
    return editing.end


def _close_gap(words: Words, text: str, position: int, text_end: int) -> int:
    """Tidy the place a tag was taken from, between the words before and the text from `position` on.

    What stays is what would stand there had the tag never been typed: one of two spaces, one of two commas,
    no empty line, no comma at either end of the prompt. `text_end` is where the last letter of the text ends.
    """
    after = _end_of(_GAP, text, position)
    if text[after : after + 1] == "," and words.last in ("", ","):
        after = _end_of(_GAP, text, after + 1)
    elif words.last == "," and after >= text_end:
        words.drop_last()
    line_end = LINE_END.match(text, after)
    is_end = after == len(text)
    if words.line_is_empty and (line_end or is_end):
        words.drop_line(is_last=not line_end)
        return line_end.end() if line_end else after
    if line_end or is_end or text[after] == ",":
        words.trim()
        return after
    return after if words.ends_with_space else position


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
