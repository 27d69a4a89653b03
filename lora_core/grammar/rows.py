"""The text of a stack: tags, one or more a line, rows switched off, and comments."""

from __future__ import annotations

import re

from .scanner import MOST_ERRORS, Scan, Scanner

_SEPARATORS = re.compile(r"[ \t,]*")
_WORD_END = re.compile(r"[\s,<]|$")


def scan(text: str, most_errors: int = MOST_ERRORS) -> Scan:
    """Every row and every mistake in the text of a stack.

    Reading stops at the last of `most_errors`, and where there are more rows than a stack has.
    """
    scanner = Scanner(text, most_errors)
    for start, end in scanner.source.lines():
        if scanner.is_full:
            break
        if start < end:
            _read_line(scanner, start, end)
    return scanner.result()


def _read_line(scanner: Scanner, start: int, end: int) -> None:
    first = scanner.source.part(start, end)
    if not first.text.startswith("#"):
        _read_tags(scanner, start, end, enabled=True)
        return
    rest = scanner.source.part(first.offset + 1, end)
    if rest.text.startswith("<"):
        _read_tags(scanner, rest.offset, end, enabled=False)
    else:
        scanner.comment(first.offset, rest.text)


def _read_tags(scanner: Scanner, position: int, end: int, enabled: bool) -> None:
    text = scanner.source.text
    while not scanner.is_full and (position := _skip(_SEPARATORS, text, position, end)) < end:
        if text[position] == "<":
            position = scanner.tag(position, enabled)
            continue
        word_end = _WORD_END.search(text, position + 1, end)
        word = text[position : word_end.start() if word_end else end]
        scanner.mistake(position, repr(word), "a tag like <lora:name:0.8>")
        next_tag = text.find("<", position, end)
        position = end if next_tag < 0 else next_tag


def _skip(pattern: re.Pattern[str], text: str, position: int, end: int) -> int:
    found = pattern.match(text, position, end)
    return found.end() if found else position
