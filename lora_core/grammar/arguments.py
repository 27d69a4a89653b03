"""What the parts of a tag mean together: strengths, block weights, window, hash."""

from __future__ import annotations

import re

from ..blocks import NEUTRAL, BlockWeights, read_block_weights, write_number
from ..errors import BadBlockText
from ..stack import Entry
from .numbers import NUMBER, read_number
from .source import SourceText, TagPart

# Name → value; "first" and "second" are the strengths without a name.
Arguments = dict[str, TagPart]

_STEPS = re.compile(rf"({NUMBER})\s*-\s*({NUMBER})", re.ASCII)
_HASH = re.compile(r"[0-9a-fA-F]{8,64}")
_X_CELL = re.compile(r"(?<![^\s,=])X(?=[\s,+-]|$)", re.IGNORECASE)
_FRACTION = "a fraction of the sampling from 0 to 1: step 10 of 20 is 0.5"


def complete(source: SourceText, name: str, arguments: Arguments) -> Entry:
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


def _strengths(source: SourceText, arguments: Arguments) -> tuple[float, float]:
    """Model and text encoder strength by A1111's rule: the text encoder's comes first and is 1 when left
    out, the model's follows it. A named one counts, whatever stands in its place.
    """
    values = {name: read_number(source, arguments[name]) for name in arguments.keys() & _STRENGTHS}
    clip = values.get("te", values.get("first", 1.0))
    return values.get("unet", values.get("second", clip)), clip


def _window(source: SourceText, arguments: Arguments) -> tuple[float, float]:
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


def _both_ends(source: SourceText, steps: TagPart) -> tuple[TagPart, TagPart]:
    """The two numbers of `step=0.2-0.7`."""
    ends = _STEPS.fullmatch(steps.text)
    if ends is None:
        raise source.error(steps.offset, repr(steps.text), "start and stop with '-' between, such as 0.2-0.7")
    return TagPart(ends[1], steps.offset + ends.start(1)), TagPart(ends[2], steps.offset + ends.start(2))


def _fraction(source: SourceText, part: TagPart) -> float:
    """A place in the sampling. Step numbers mean nothing here: how many steps there are is the sampler's."""
    value = read_number(source, part, _FRACTION)
    if not 0 <= value <= 1:
        raise source.error(part.offset, repr(part.text), _FRACTION)
    return value


def _hash(source: SourceText, arguments: Arguments) -> str:
    part = arguments.get("hash")
    if part is None:
        return ""
    if not _HASH.fullmatch(part.text):
        found = repr(part.text) if part.text else "nothing"
        raise source.error(part.offset, found, "8 to 64 digits of a hash, each 0-9 or a-f")
    return part.text.lower()


def _block_weights(source: SourceText, arguments: Arguments) -> BlockWeights:
    blocks, elements, x = (arguments.get(name) for name in ("lbw", "lbwe", "x"))
    for part in (blocks, elements):
        if part and not part.text:
            raise source.error(part.offset, "nothing", "block weights, such as OUTALL or IN04-08=0.5")
    if not (blocks or elements or x):
        return NEUTRAL
    # Impact writes semicolons between the weights and the values of their letters.
    text = blocks.text.replace(";", " ") if blocks else ""
    if x:
        read_number(source, x)
        if not _X_CELL.search(text):
            raise source.error(x.offset, repr(x.text), "no value for X, or an X in 'lbw='")
        text += f" X={x.text}"
    try:
        return read_block_weights(text, elements.text if elements else "")
    except BadBlockText as error:
        part = elements if error.which == "elements" else blocks
        assert part is not None  # an empty text has no mistake
        raise source.error(part.offset + error.position, error.found, error.expected) from None
