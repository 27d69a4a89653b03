"""What the parts of a tag mean together: strengths, block weights, window, hash."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..blocks import NEUTRAL, BlockWeights, read_block_weights
from ..errors import BadBlockText
from ..schedule import StrengthCurve
from ..stack import Entry
from .numbers import read_number
from .source import SourceText, TagPart
from .timing import is_curve, read_curve, read_timing

# Name → value; "first" and "second" are the strengths without a name.
Arguments = dict[str, TagPart]

_HASH = re.compile(r"[0-9a-fA-F]{8,64}")
_X_CELL = re.compile(r"(?<![^\s,=])X(?=[\s,+-]|$)", re.IGNORECASE)


class _Strengths(NamedTuple):
    """The strengths of an entry, and the curve of the model's where it has one."""

    strength_model: float
    strength_clip: float
    curve: StrengthCurve | None = None
    is_clip_on_curve: bool = False


def complete(source: SourceText, name: str, arguments: Arguments) -> Entry:
    """The entry of a name and its arguments. Raises BadStackText."""
    strengths = _strengths(source, arguments)
    if len(arguments) <= 2 and not arguments.keys() - _STRENGTHS:
        return Entry(name, **strengths._asdict())
    timing = read_timing(source, *map(arguments.get, ("start", "stop", "step", "steps")))
    return Entry(
        name,
        **strengths._asdict(),
        **timing._asdict(),
        blocks=_block_weights(source, arguments),
        hash=_hash(source, arguments),
    )


_STRENGTHS = frozenset({"first", "second", "te", "unet"})


def _strengths(source: SourceText, arguments: Arguments) -> _Strengths:
    """Model and text encoder strength by A1111's rule: the text encoder's comes first and is 1 when left
    out, the model's follows it. A named one counts, whatever stands in its place.
    """
    model, clip = (
        next((arguments[name] for name in names if name in arguments), None)
        for names in (("unet", "second"), ("te", "first"))
    )
    if clip is not None and is_curve(clip.text) and (model or "te" in arguments):
        expected = "one number: the text encoder works before the sampling. Write unet=0@0,1@0.5:te=1"
        raise source.error(clip.offset, repr(clip.text), expected)
    if model is not None and is_curve(model.text):
        curve = read_curve(source, model)
        return _Strengths(curve.peak, read_number(source, clip) if clip else 1.0, curve)
    if clip is not None and is_curve(clip.text):
        curve = read_curve(source, clip)
        return _Strengths(curve.peak, curve.peak, curve, is_clip_on_curve=True)
    clip_strength = read_number(source, clip) if clip else 1.0
    return _Strengths(read_number(source, model) if model else clip_strength, clip_strength)


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
