"""What charts on white paper share: colours, text, round axes, and labels that fit."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10

from PIL import Image, ImageDraw

from .ink import font

PAPER, INK, FAINT, GRID = "#ffffff", "#20242e", "#6b7280", "#e7e9ee"


def draw_labels(image: Image.Image, names: Sequence[str], left: int, pitch: float, top: int) -> None:
    """Names below columns of this pitch, upright where they are too long to stand side by side."""
    draw = ImageDraw.Draw(image)
    face = font(15)
    is_upright = max(draw.textlength(name, font=face) for name in names) > pitch - 6
    for place, name in enumerate(names):
        middle = left + (place + 0.5) * pitch
        if not is_upright:
            write(draw, (middle, top), name, 15, INK, anchor="ma")
            continue
        length = ceil(draw.textlength(name, font=face))
        label = Image.new("RGB", (length + 2, 20), PAPER)
        write(ImageDraw.Draw(label), (length + 1, 10), name, 15, INK, anchor="rm")
        image.paste(label.transpose(Image.Transpose.ROTATE_90), (round(middle) - 10, top))


def nice_top(highest: float) -> float:
    """The least of 1, 2, 4, 8 times a power of ten that is not below: quarters of it are round numbers."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(highest))
    return next(factor * power for factor in (1, 2, 4, 8, 10) if factor * power >= highest * 0.999)


def percent(value: float, highest: float) -> str:
    """A tick of an axis that ends at `highest`, with as many digits as its quarters need."""
    digits = max(0, 1 - floor(log10(highest * 100)))
    return f"{value * 100:.{digits}f} %"


def fitting(draw: ImageDraw.ImageDraw, text: str, size: int, width: float) -> str:
    """The text, cut to a width in pixels."""
    face = font(size)
    if draw.textlength(text, font=face) <= width:
        return text
    while text and draw.textlength(f"{text}…", font=face) > width:
        text = text[:-1]
    return f"{text}…"


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: str,
    anchor: str = "la",
) -> None:
    """Text at a place, its anchor as Pillow names it."""
    draw.text(at, text, font=font(size), fill=colour, anchor=anchor)
