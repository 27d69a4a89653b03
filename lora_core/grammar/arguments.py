"""What the parts of a tag mean together: strengths, block weights, window, hash."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..blocks import NEUTRAL, BlockWeights, read_block_weights
from ..errors import BadBlockText
from ..stack import Entry
from .numbers import NUMBER, read_number, write_number
from .source import Part, Source

# Name → value; "first" and "second" are the strengths without a name.
Arguments = dict[str, Part]

_STEPS = re.compile(rf"({NUMBER})\s*-\s*({NUMBER})", re.ASCII)
_HASH = re.compile(r"[0-9a-fA-F]{8,64}")
_X_CELL = re.compile(r"\s*X\s*(?:([+-])\s*(\d+(?:\.\d*)?|\.\d+)\s*)?", re.ASCII)
_FRACTION = "a fraction of the sampling from 0 to 1: step 10 of 20 is 0.5"


def complete(source: Source, name: str, arguments: Arguments) -> Entry:
    """The entry of a name and its arguments. Raises BadStackText."""
    model, clip = _strengths(source, arguments)
    if len(arguments) <= 2 and not arguments.keys() - _STRENGTHS:
        return Entry(name, strength_model=model, strength_clip=clip)
    start, stop = _window(source, arguments)
    return Entry(
        name,
        strength_model=model,
        strength_clip=clip,
        blocks=_block_weights(source, arguments),
        start=start,
        stop=stop,
        hash=_hash(source, arguments),
    )


_STRENGTHS = frozenset({"first", "second", "te", "unet"})


def _strengths(source: Source, arguments: Arguments) -> tuple[float, float]:
    """Model and text encoder strength by A1111's rule: the text encoder's comes first and is 1 when left
    out, the model's follows it. A named one counts, whatever stands in its place.
    """
    values = {name: read_number(source, arguments[name]) for name in arguments.keys() & _STRENGTHS}
    clip = values.get("te", values.get("first", 1.0))
    return values.get("unet", values.get("second", clip)), clip


def _window(source: Source, arguments: Arguments) -> tuple[float, float]:
    start, stop = arguments.get("start"), arguments.get("stop")
    if steps := arguments.get("step"):
        if start or stop:
            raise source.error(steps.offset, "'step='", "either 'step=' or 'start=' and 'stop='")
        start, stop = _both_ends(source, steps)
    first = _fraction(source, start) if start else 0.0
    last = _fraction(source, stop) if stop else 1.0
    if stop and last < first:
        raise source.error(
            stop.offset, repr(stop.text), f"no less than where it starts, {write_number(first)}"
        )
    return first, last


def _both_ends(source: Source, steps: Part) -> tuple[Part, Part]:
    """The two numbers of `step=0.2-0.7`."""
    ends = _STEPS.fullmatch(steps.text)
    if ends is None:
        raise source.error(steps.offset, repr(steps.text), "start and stop with '-' between, such as 0.2-0.7")
    return Part(ends[1], steps.offset + ends.start(1)), Part(ends[2], steps.offset + ends.start(2))


def _fraction(source: Source, part: Part) -> float:
    """A place in the sampling. Step numbers mean nothing here: how many steps there are is the sampler's."""
    value = read_number(source, part, _FRACTION)
    if not 0 <= value <= 1:
        raise source.error(part.offset, repr(part.text), _FRACTION)
    return value


def _hash(source: Source, arguments: Arguments) -> str:
    part = arguments.get("hash")
    if part is None:
        return ""
    if not _HASH.fullmatch(part.text):
        found = repr(part.text) if part.text else "nothing"
        raise source.error(part.offset, found, "8 to 64 digits of a hash, each 0-9 or a-f")
    return part.text.lower()


@dataclass(frozen=True)
class _Cells:
    """Block weights to be read, and for every offset in them (the end too) the one in the source."""

    text: str
    offsets: tuple[int, ...] | range


def _block_weights(source: Source, arguments: Arguments) -> BlockWeights:
    blocks, elements = arguments.get("lbw"), arguments.get("lbwe")
    for part in (blocks, elements):
        if part and not part.text:
            raise source.error(part.offset, "nothing", "block weights, such as OUTALL or IN04-08=0.5")
    if "x" in arguments or (blocks and "X" in blocks.text):
        cells = _fill_x(source, blocks, arguments.get("x"))
    else:
        cells = _as_written(blocks)
    if not cells.text and not elements:
        return NEUTRAL
    try:
        return read_block_weights(cells.text, elements.text if elements else "")
    except BadBlockText as error:
        if error.which == "elements" and elements:
            offset = elements.offset + error.position
        else:
            offset = cells.offsets[error.position]
        raise source.error(offset, error.found, error.expected) from None


def _as_written(part: Part | None) -> _Cells:
    if part is None:
        return _Cells("", range(1))
    return _Cells(part.text, range(part.offset, part.offset + len(part.text) + 1))


def _fill_x(source: Source, blocks: Part | None, x: Part | None) -> _Cells:
    """The X cells of a vector as numbers: `X`, `X+0.2` and `X-0.2`, 1 where no `x=` says else.

    This is how the block-weight extension reads them; its X in presets of its user's own is not known here.
    """
    value = read_number(source, x) if x else 1.0
    vector = blocks.text.split(",") if blocks else []
    if blocks is None or len(vector) == 1 or not any(map(_X_CELL.fullmatch, vector)):
        if x:
            raise source.error(x.offset, repr(x.text), "no 'x=', or X in the vector of 'lbw=' for it to fill")
        return _as_written(blocks)
    text, offsets, offset = "", list[int](), blocks.offset
    for cell in vector:
        filled = _filled(cell, value)
        text += filled + ","
        offsets += [offset + min(i, len(cell)) for i in range(len(filled))] + [offset + len(cell)]
        offset += len(cell) + 1
    return _Cells(text[:-1], tuple(offsets))


def _filled(cell: str, x: float) -> str:
    found = _X_CELL.fullmatch(cell)
    if found is None:
        return cell
    change = float(found[2] or 0) * (-1 if found[1] == "-" else 1)
    return write_number(round(x + change, 6))  # 0.7 + 0.2 is 0.9 to whoever wrote it
