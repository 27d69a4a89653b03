"""Where LoRAs get in each other's way: cosines of pairs by block as a heat map, and how far blocks go."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from ...lora_core.overlap import BlockOverlap, Overlap
from .paper import FAINT, GRID, INK, PAPER, draw_labels, fitting, nice_top, percent, write

# After Okabe and Ito 2008, which all kinds of eyes can tell apart.
_SAME, _AGAINST = (213, 94, 0), (0, 114, 178)
_ALONE, _MORE = "#8a8fa3", "#d55e00"

_WIDTH, _LEFT, _RIGHT, _TOP = 1440, 330, 40, 130  # px
_LINE, _MOST_PAIRS = 28, 40  # px a pair, pairs shown
_NARROWEST, _WIDEST, _WITH_NUMBERS = 24, 120, 46  # px a block
_GAP, _BARS, _LABELS = 84, 230, 90  # px


def overlap_chart(overlap: Overlap) -> Image.Image:
    """A line a pair of LoRAs, a column a block: the cosine of their changes. Below, how much each block
    changes: grey is what the strongest LoRA does alone, orange what all together do more.
    """
    columns = (overlap.whole, *overlap.blocks)
    pairs = _pairs(overlap)
    pitch = min(max((_WIDTH - _LEFT - _RIGHT) / len(columns), _NARROWEST), _WIDEST)
    width = max(_WIDTH, round(_LEFT + _RIGHT + pitch * len(columns)))
    bars = _TOP + _LINE * max(len(pairs), 1) + _GAP
    image = Image.new("RGB", (width, bars + _BARS + _LABELS), PAPER)
    draw = ImageDraw.Draw(image)
    write(draw, (40, 28), fitting(draw, f"Overlap on {overlap.family}", 30, width - 80), 30, INK)
    write(draw, (40, 72), _legend(overlap, pairs), 18, FAINT)
    if not pairs:
        write(draw, (40, _TOP), "There are no two LoRAs that are on at one time.", 18, FAINT)
    names = [entry.name for entry in overlap.entries]
    for line, (one, other) in enumerate(pairs):
        top = _TOP + line * _LINE
        label = fitting(draw, f"{names[one]} and {names[other]}", 16, _LEFT - 56)
        write(draw, (_LEFT - 12, top + _LINE / 2), label, 16, INK, anchor="rm")
        _draw_cells(draw, [block.cosine(one, other) for block in columns], top, pitch)
    _draw_bars(draw, columns, bars, pitch)
    draw_labels(image, [block.block for block in columns], _LEFT, pitch, bars + _BARS + 12)
    return image


def _pairs(overlap: Overlap) -> list[tuple[int, int]]:
    """In the order of the stack; of very many those that have most in common."""
    products = overlap.whole.products
    most = sorted(overlap.pairs, key=lambda pair: -abs(products[pair[0]][pair[1]]))[:_MOST_PAIRS]
    return sorted(most)


def _legend(overlap: Overlap, pairs: Sequence[tuple[int, int]]) -> str:
    hidden = len(overlap.pairs) - len(pairs)
    more = f"; {hidden} pairs with less in common are not shown" if hidden else ""
    return f"Cosine of two changes: orange pulls the same way, blue works against each other{more}"


def _draw_cells(draw: ImageDraw.ImageDraw, cosines: Sequence[float | None], top: int, pitch: float) -> None:
    for place, cosine in enumerate(cosines):
        left, right = round(_LEFT + place * pitch), round(_LEFT + (place + 1) * pitch) - 2
        box = (left, top, right, top + _LINE - 2)
        if cosine is None:
            draw.line((left, top + _LINE - 2, right, top), fill=GRID)
            continue
        draw.rectangle(box, fill=_colour(cosine))
        if pitch >= _WITH_NUMBERS:
            colour = INK if abs(cosine) < 0.7 else PAPER
            write(draw, ((left + right) / 2, top + _LINE / 2 - 1), f"{cosine:.2f}", 14, colour, anchor="mm")


def _colour(cosine: float) -> tuple[int, int, int]:
    """White at 0, the full colour at 1 and -1; the power shows small ones."""
    full = _SAME if cosine > 0 else _AGAINST
    share = abs(cosine) ** 0.7
    red, green, blue = (round(247 + (value - 247) * share) for value in full)
    return red, green, blue


def _draw_bars(draw: ImageDraw.ImageDraw, columns: Sequence[BlockOverlap], top: int, pitch: float) -> None:
    """‖ΣΔW‖ of each block over ‖ΔW‖ of its strongest row, in parts of ‖W‖ where that is known."""
    of_weights = all(block.weight_energy for block in columns)
    what = "Change in parts of the weights" if of_weights else "Size of the change"
    write(draw, (40, top - 50), f"{what}: grey the strongest LoRA alone, orange all together", 18, FAINT)
    found = [(block.norm(block.strongest), block.total) for block in columns]
    if of_weights:
        found = [
            (block.relative(alone) or 0.0, block.relative(together) or 0.0)
            for block, (alone, together) in zip(columns, found, strict=True)
        ]
    highest = nice_top(max(max(pair) for pair in found))
    for step in range(5):
        value = highest * step / 4
        y = round(top + _BARS * (1 - step / 4))
        draw.line((_LEFT, y, _LEFT + round(pitch * len(columns)), y), fill=GRID if step else FAINT)
        tick = percent(value, highest) if of_weights else f"{value:g}"
        write(draw, (_LEFT - 12, y), tick, 16, FAINT, anchor="rm")
    for place, (alone, together) in enumerate(found):
        left = _LEFT + place * pitch + pitch * 0.14
        for value, colour in sorted([(alone, _ALONE), (together, _MORE)], reverse=True):
            upper = round(top + _BARS * (1 - value / highest))
            if upper < top + _BARS:
                draw.rectangle((round(left), upper, round(left + pitch * 0.72), top + _BARS - 1), fill=colour)
