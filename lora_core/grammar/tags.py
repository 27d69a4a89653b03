"""One tag: from '<' to '>', its name, what stands after the name, and where.

A1111 splits a tag at its colons; a part with '=' has a name, the others count by their place. The first two
of those are the strengths, text encoder first. The block-weight extension puts block weights in the place of
the second, and after them the value of their X cells or element weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..stack import Entry, NamedRack
from .arguments import Arguments, complete
from .numbers import is_number, read_number
from .source import SourceText, TagPart
from .timing import is_curve

# "lyco" is how the LyCORIS extension of A1111 called the same tag, "loractl" how prompt-control calls it.
TAG_KINDS = ("lora", "lyco", "loractl")
RACK = "rack"
_MOST_PARTS = 40  # of a tag; what has more is wrong before the last of them
# Every name an argument may have, and the one it is kept under: the extension knows `lbw` as `w` as well.
_NAMES = {name: name for name in ("unet", "te", "lbw", "lbwe", "start", "stop", "step", "steps", "x", "hash")}
_KNOWN = f"one of {', '.join(f'{name!r}' for name in _NAMES)}, each followed by '='"
_NAMES["w"] = "lbw"
# What other programs write in tags and no entry can hold, with what to do.
_REFUSED = {
    "dyn": "no 'dyn=': the rank of a file is used whole",
    **dict.fromkeys(("hr", "hrte", "hrunet"), "no strength for a second pass: give that pass its own stack"),
    **dict.fromkeys(("in", "mid", "out"), "block weights as 'lbw=', for example lbw=IN*=0.5"),
}


@dataclass(frozen=True)
class TagParts:
    """A tag taken apart: its row, and the pieces of the text that say it."""

    row: Entry | NamedRack
    name: TagPart
    arguments: Arguments


def read_tag(source: SourceText, start: int, end: int) -> Entry | NamedRack:
    """The row of a tag whose '<' is at `start` and whose '>' at `end`. Raises BadStackText."""
    return parts_of_tag(source, start, end).row


def parts_of_tag(source: SourceText, start: int, end: int) -> TagParts:
    """The tag whose '<' is at `start` and whose '>' at `end`. Raises BadStackText."""
    kind, *parts = _split(source, start + 1, end)
    if kind.text.lower() == RACK:
        return _rack(source, parts, end)
    if kind.text.lower() not in TAG_KINDS:
        raise source.error(kind.offset, repr(kind.text) if kind.text else "nothing", "'lora' and a colon")
    if not parts or not parts[0].text:
        offset = parts[0].offset if parts else end
        raise source.error(offset, "nothing", "the name of a LoRA after '<lora:'")
    arguments = _arguments(source, parts[1:])
    return TagParts(complete(source, parts[0].text, arguments), parts[0], arguments)


def _rack(source: SourceText, parts: list[TagPart], end: int) -> TagParts:
    """A named rack: its name, and what all its strengths are multiplied by."""
    if not parts or not parts[0].text:
        raise source.error(parts[0].offset if parts else end, "nothing", "the name of a rack after '<rack:'")
    if len(parts) > 2:
        raise source.error(parts[2].offset, repr(parts[2].text), "'>': a rack has one strength")
    arguments = dict(zip(("first",), parts[1:], strict=False))
    strength = read_number(source, arguments["first"]) if arguments else 1.0
    return TagParts(NamedRack(parts[0].text, strength), parts[0], arguments)


def tag_end(source: SourceText, start: int) -> int:
    """Where the tag that begins at `start` closes, on its line. Raises BadStackText where it does not."""
    _, line_end = source.line_at(start)
    opened = source.text.find("<", start + 1, line_end)
    end = source.text.find(">", start, line_end if opened < 0 else opened)
    if end < 0 <= opened:
        raise source.error(opened, "'<'", "'>' to close the tag before it")
    if end < 0:
        _, column = source.place(start)
        expected = f"'>' to close the tag that begins at column {column}"
        raise source.error(line_end, "the end of the line", expected)
    return end


def _split(source: SourceText, start: int, end: int) -> list[TagPart]:
    parts: list[TagPart] = []
    for raw in source.text[start:end].split(":", _MOST_PARTS):
        parts.append(source.part(start, start + len(raw)))
        start += len(raw) + 1
    return parts


def _arguments(source: SourceText, parts: list[TagPart]) -> Arguments:
    positional: list[TagPart] = []
    named: Arguments = {}
    for part in parts:
        name, equals, value = part.text.partition("=")
        if not equals:
            positional.append(part)
            continue
        argument = name.strip().lower()
        if argument not in _NAMES:
            raise source.error(part.offset, repr(argument), _REFUSED.get(argument, _KNOWN))
        start = part.offset + len(name) + 1
        _add(source, named, _NAMES[argument], source.part(start, start + len(value)), part.offset)
    _place(source, positional, named)
    return named


def _add(source: SourceText, named: Arguments, name: str, value: TagPart, offset: int) -> None:
    if name in named:
        raise source.error(offset, f"{name!r} a second time", "each argument once")
    named[name] = value


def _place(source: SourceText, positional: list[TagPart], named: Arguments) -> None:
    """Give the parts without a name the one their place means."""
    strengths: list[TagPart] = []
    weights: list[TagPart] = []  # block weights, then what belongs to them
    for part in positional:
        is_strength = is_number(part.text) or is_curve(part.text) or not part.text
        if not weights and (len(strengths) == 0 or is_strength):
            if len(strengths) == 2:
                raise source.error(part.offset, repr(part.text), "'>': a tag has at most two strengths")
            strengths.append(part)
        elif len(strengths) == 2:
            expected = "'lbw=' or 'lbwe=' before what follows two strengths"
            raise source.error(part.offset, repr(part.text), expected)
        elif not weights:
            _add(source, named, "lbw", part, part.offset)
            weights.append(part)
        elif len(weights) == 1:
            _add(source, named, "x" if is_number(part.text) else "lbwe", part, part.offset)
            weights.append(part)
        else:
            raise source.error(part.offset, repr(part.text), "'>' or a named part")
    for place, part in zip(("first", "second"), strengths, strict=False):
        named[place] = part
