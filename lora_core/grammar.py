"""Text ↔ Stack: the one reader and the one writer of LoRA tags.

    <lora:styles/ink:0.8>             strength 0.8 for model and text encoder
    <lora:ink:0.3:0.8>                text encoder 0.3, model 0.8: A1111's order
    <lora:ink:unet=0.8:te=0.3>        the same by name; te left out is 1, unet left out is te
    # <lora:ink:0.8>                  switched off
    # anything else                   a comment

A tag is read as AUTOMATIC1111 reads it (extensions-builtin/Lora, extra_networks_lora.py), but nothing is
guessed: what A1111 would skip or take for 1 is an error with its line and column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .errors import BadStackText
from .stack import Comment, Entry, Stack

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LINE_END = re.compile(r"\r\n|\r|\n")
_TAG_KINDS = ("lora", "lyco")  # "lyco" is how the LyCORIS extension of A1111 called the same tag
_ARGUMENTS = ("unet", "te")
_FORBIDDEN_IN_NAMES = re.compile(r"[<>:\r\n]")


def parse(text: str) -> Stack:
    """Read the text of a stack, one or more tags a line.

    Raises BadStackText with line, column, what was found and what was expected.
    """
    rows: list[Entry | Comment] = []
    for number, line in enumerate(_LINE_END.split(text), start=1):
        rows += _Line(line, number).rows()
    return Stack(tuple(rows))


def write(stack: Stack) -> str:
    """The canonical text of a stack, one row a line; `parse(write(stack)) == stack`.

    The strength is written even where it is 1: other tools that read these tags require it.
    Raises ValueError for a name no tag can hold.
    """
    return "\n".join(
        _write_comment(row) if isinstance(row, Comment) else _write_entry(row) for row in stack.rows
    )


def _write_comment(comment: Comment) -> str:
    return f"# {comment.text}".rstrip()


def _write_entry(entry: Entry) -> str:
    if _FORBIDDEN_IN_NAMES.search(entry.name):
        raise ValueError(f"the name {entry.name!r} cannot stand in a tag: rename the file without < > :")
    if entry.strength_model == entry.strength_clip:
        strengths = _write_number(entry.strength_model)
    else:
        strengths = f"unet={_write_number(entry.strength_model)}:te={_write_number(entry.strength_clip)}"
    return f"{'' if entry.enabled else '# '}<lora:{entry.name}:{strengths}>"


def _write_number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


@dataclass(frozen=True)
class _Part:
    """A piece of a tag between colons, and the column its text begins at."""

    text: str
    column: int


class _Line:
    """One line of a stack's text, read from left to right."""

    def __init__(self, text: str, number: int) -> None:
        self._text = text
        self._number = number

    def rows(self) -> list[Entry | Comment]:
        stripped = self._text.lstrip()
        if not stripped.startswith("#"):
            return [*self._entries(0)]
        after_hash = len(self._text) - len(stripped) + 1
        if not self._text[after_hash:].lstrip().startswith("<"):
            return [Comment(self._text[after_hash:].strip())]
        return [replace(entry, enabled=False) for entry in self._entries(after_hash)]

    def _entries(self, start: int) -> list[Entry]:
        entries: list[Entry] = []
        position = start
        while (position := self._skip_separators(position)) < len(self._text):
            if self._text[position] != "<":
                raise self._error(position, self._word(position), "a tag like <lora:name:0.8>")
            end = self._text.find(">", position)
            if end < 0:
                raise self._error(len(self._text), "the end of the line", "'>' to close the tag")
            entries.append(self._entry(position + 1, end))
            position = end + 1
        return entries

    def _skip_separators(self, position: int) -> int:
        while position < len(self._text) and self._text[position] in " \t,":
            position += 1
        return position

    def _entry(self, start: int, end: int) -> Entry:
        kind, *parts = self._parts(start, end)
        if kind.text.lower() not in _TAG_KINDS:
            raise self._error(kind.column, repr(kind.text), "'lora'")
        if not parts or not parts[0].text:
            column = parts[0].column if parts else end
            raise self._error(column, "nothing", "the name of a LoRA after '<lora:'")
        if "<" in parts[0].text:
            raise self._error(
                parts[0].column + parts[0].text.index("<"), "'<'", "'>' to close the tag before it"
            )
        model, clip = self._strengths(parts[1:])
        return Entry(parts[0].text, strength_model=model, strength_clip=clip)

    def _strengths(self, parts: list[_Part]) -> tuple[float, float]:
        found: dict[str, float] = {}
        positional: list[float] = []
        for part in parts:
            name, equals, value = part.text.partition("=")
            if not equals:
                if len(positional) == 2:
                    raise self._error(part.column, repr(part.text), "'>': a tag has at most two strengths")
                positional.append(self._number_in(part))
                continue
            argument = name.strip().lower()
            if argument not in _ARGUMENTS:
                raise self._error(part.column, repr(argument), " or ".join(f"'{a}='" for a in _ARGUMENTS))
            if argument in found:
                raise self._error(part.column, f"{argument!r} a second time", "each strength once")
            start = len(name) + 1 + len(value) - len(value.lstrip())
            found[argument] = self._number_in(_Part(value.strip(), part.column + start))
        return _complete(positional, found)

    def _number_in(self, part: _Part) -> float:
        if not _NUMBER.fullmatch(part.text):
            found = repr(part.text) if part.text else "nothing"
            raise self._error(part.column, found, "a number such as 0.8 or -1")
        value = float(part.text)
        if value in (float("inf"), float("-inf")):
            raise self._error(part.column, repr(part.text), "a number that is not beyond all bounds")
        return value

    def _parts(self, start: int, end: int) -> list[_Part]:
        parts: list[_Part] = []
        for raw in self._text[start:end].split(":"):
            indent = len(raw) - len(raw.lstrip()) if raw.strip() else 0
            parts.append(_Part(raw.strip(), start + indent))
            start += len(raw) + 1
        return parts

    def _word(self, position: int) -> str:
        return repr(re.split(r"[\s,<]", self._text[position:], maxsplit=1)[0])

    def _error(self, position: int, found: str, expected: str) -> BadStackText:
        return BadStackText(self._number, position + 1, found, expected)


def _complete(positional: list[float], named: dict[str, float]) -> tuple[float, float]:
    """Model and text encoder strength by A1111's rule: the text encoder's comes first and is 1 when left
    out, the model's follows it.
    """
    clip = named.get("te", positional[0] if positional else 1.0)
    model = named.get("unet", positional[1] if len(positional) == 2 else clip)
    return model, clip
