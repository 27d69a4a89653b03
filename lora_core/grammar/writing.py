"""The canonical text of a stack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ..blocks import write_number
from ..errors import BadRow
from ..stack import Comment, Entry, NamedRack, Row, Stack
from ..untrusted import shown

_FORBIDDEN = re.compile(r"[<>:\r\n]")


def write(stack: Stack) -> str:
    """The canonical text of a stack, one row a line; `parse(write(stack)) == stack`.

    The strength is written even where it is 1: other tools that read these tags require it. Then only what is
    not as usual, in the order lbw, lbwe, steps, start, stop, hash. Raises BadRow for what no tag can hold.
    """
    return "\n".join(map(write_row, stack.rows))


def write_row(row: Row) -> str:
    """The line of one row. Raises BadRow for what no tag can hold."""
    if isinstance(row, NamedRack):
        return _write_rack(row)
    return _write_comment(row) if isinstance(row, Comment) else write_entry(row)


def write_safely(entries: Sequence[Entry]) -> str:
    """The text of entries to be shown or kept: what no tag can hold in a file's name becomes `_`."""
    safe = [_FORBIDDEN.sub("_", entry.name).strip() for entry in entries]
    return write(Stack(tuple(replace(entry, name=name) for name, entry in zip(safe, entries, strict=True))))


def write_entry(entry: Entry) -> str:
    """The tag of one entry. Raises BadRow for a name or block weights no tag can hold."""
    if _FORBIDDEN.search(entry.name):
        raise BadRow(f"the name {shown(entry.name)} cannot be part of a tag: rename the file without < > :")
    parts = [f"{'' if entry.enabled else '# '}<lora", entry.name, *_strengths(entry)]
    for name, value in (("lbw", entry.blocks.blocks), ("lbwe", entry.blocks.elements)):
        if _FORBIDDEN.search(value):
            raise BadRow(
                f"the block weights {shown(value)} cannot be part of a tag: they contain one of < > :"
            )
        if value:
            parts.append(f"{name}={value}")
    if entry.steps is not None:
        parts.append(f"steps={entry.steps}")
    if entry.start != 0:
        parts.append(f"start={write_number(entry.start)}")
    if entry.stop != 1:
        parts.append(f"stop={write_number(entry.stop)}")
    if entry.hash:
        parts.append(f"hash={entry.hash}")
    return ":".join(parts) + ">"


def _strengths(entry: Entry) -> list[str]:
    if entry.curve is not None:
        curve = str(entry.curve)
        return (
            [curve]
            if entry.is_clip_on_curve
            else [f"unet={curve}", f"te={write_number(entry.strength_clip)}"]
        )
    if entry.strength_model == entry.strength_clip:
        return [write_number(entry.strength_model)]
    return [f"unet={write_number(entry.strength_model)}", f"te={write_number(entry.strength_clip)}"]


def _write_rack(rack: NamedRack) -> str:
    if _FORBIDDEN.search(rack.name):
        raise BadRow(f"the name {shown(rack.name)} cannot be part of a tag: call the rack so without < > :")
    strength = "" if rack.strength == 1 else f":{write_number(rack.strength)}"
    return f"{'' if rack.enabled else '# '}<rack:{rack.name}{strength}>"


def _write_comment(comment: Comment) -> str:
    return f"# {comment.text}".rstrip()
