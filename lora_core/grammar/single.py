"""One tag by itself, for an editor: what it means, and where in it its name and its strengths are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import BadStackText
from ..stack import Entry, NamedRack
from .source import SourceText, TagPart
from .tags import parts_of_tag, tag_end
from .timing import is_curve

_STRENGTHS = ("first", "second", "te", "unet")


@dataclass(frozen=True)
class SingleTag:
    """A row and places in its tag: of the name, and of every number that states a strength, in order.

    A curve states one at each of its points.
    """

    row: Entry | NamedRack
    name: tuple[int, int]
    strengths: tuple[tuple[int, int], ...]


def read_single(text: str) -> SingleTag:
    """The tag that a text is, from its '<' to its '>'. Raises BadStackText for anything else."""
    source = SourceText(text)
    end = tag_end(source, 0)
    if not text.startswith("<") or end != len(text) - 1:
        raise BadStackText(1, 1, repr(text[:40]), "one tag like <lora:name:0.8>")
    parts = parts_of_tag(source, 0, end)
    stated = [parts.arguments[name] for name in _STRENGTHS if name in parts.arguments]
    strengths = sorted(_span(number) for part in stated for number in _numbers(source, part))
    return SingleTag(parts.row, _span(parts.name), tuple(strengths))


def _numbers(source: SourceText, part: TagPart) -> Iterator[TagPart]:
    if not is_curve(part.text):
        yield part
        return
    offset = part.offset
    for point in part.text.split(","):
        yield source.part(offset, offset + point.index("@"))
        offset += len(point) + 1


def _span(part: TagPart) -> tuple[int, int]:
    return part.offset, part.offset + len(part.text)
