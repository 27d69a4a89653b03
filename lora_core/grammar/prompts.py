"""A prompt with tags among its words: the tags are read and taken out, the words stay as they were typed.

A '<' begins a tag where the word `lora` or `lyco` follows it. Anything else in angle brackets is text (`<3`,
`a < b`, other programs' tags), but for two kinds of tag that name networks a prompt without them would lack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..stack import Stack
from .scanner import Scan, Scanner
from .source import LINE_END, SourceText

_TAG = re.compile(r"<[ \t]*(?:(?:lora|lyco)(?![\w-])|(?:hypernet|loractl)[ \t]*:)", re.IGNORECASE)
_SPACES = " \t"
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
    scanned = scan_prompt(text)
    return Prompt(scanned.text, scanned.found.stack())


def scan_prompt(text: str) -> PromptScan:
    """The words of a prompt, every tag and every mistake. A bad tag is left out of the words too."""
    scanner = Scanner(text)
    words, position = "", 0
    while found := _TAG.search(text, position):
        words += text[position : found.start()]
        position = scanner.tag(found.start(), enabled=not _is_off(scanner.source, found.start()))
        words, position = _close_gap(words, text, position)
    return PromptScan(words + text[position:], scanner.result())


def _is_off(source: SourceText, offset: int) -> bool:
    """Whether a '#' stands at the beginning of the line."""
    start, _ = source.line_at(offset)
    return source.text[start:offset].lstrip().startswith("#")


def _close_gap(words: str, text: str, position: int) -> tuple[str, int]:
    """Tidy the place a tag was taken from, between the words before and the text from `position` on.

    What stays is what would stand there had the tag never been typed: one of two spaces, one of two commas,
    no empty line, no comma at either end of the prompt.
    """
    after = _end_of(_GAP, text, position)
    last = words.rstrip()[-1:]
    if text[after : after + 1] == "," and last in ("", ","):
        after = _end_of(_GAP, text, after + 1)
    elif last == "," and not text[after:].strip():
        words = words.rstrip()[:-1] + words[len(words.rstrip()) :]
    kept = words.rstrip(_SPACES)
    line = kept[max(kept.rfind("\n"), kept.rfind("\r")) + 1 :].strip()
    line_end = LINE_END.match(text, after)
    if line in ("", "#") and (line_end or after == len(text)):
        return _without_line(kept.rstrip(_SPACES + "#"), after, line_end)
    if line_end or after == len(text) or text[after] == ",":
        return kept, after
    return words, after if words[-1:].isspace() or not words else position


def _without_line(words: str, after: int, line_end: re.Match[str] | None) -> tuple[str, int]:
    """Drop a line of nothing but tags: its own line end, or at the end of the text the one before."""
    if line_end:
        return words, line_end.end()
    return re.sub(r"(\r\n|\r|\n)\Z", "", words), after


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
