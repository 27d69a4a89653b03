"""Where in a model a LoRA works: the share of every block, as bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from ...lora_core.reports import Spectrum
from .ink import font
from .paper import FAINT, GRID, INK, PAPER, draw_labels, fitting, nice_top, percent, write

# Words of an element (lora_core/families/elements.json) → name in the legend and colour; the first that is
# among an element's words decides. Colours after Okabe and Ito 2008, which all kinds of eyes can tell apart.
_GROUPS: Mapping[str, tuple[str, str]] = {
    "attn1": ("self attention", "#0072b2"),
    "attn2": ("cross attention", "#e69f00"),
    "attn": ("attention", "#56b4e9"),
    "ff": ("feed-forward", "#009e73"),
    "res": ("residual", "#cc79a7"),
    "conv": ("convolution", "#d55e00"),
    "mod": ("modulation", "#b8a200"),
    "norm": ("norm", "#8a8fa3"),
}
_OTHER = ("other", "#bcc1cc")
_RELATIVE = "#5b6478"

_LEFT, _RIGHT, _TOP, _GAP, _LABELS = 110, 40, 150, 70, 90  # px
_WIDTH, _SHARE_HEIGHT, _RELATIVE_HEIGHT = 1440, 420, 170
_NARROWEST, _WIDEST = 22, 140  # px a block


@dataclass(frozen=True)
class _Panel:
    """One plot: its place, and the value at its upper edge."""

    top: int
    height: int
    highest: float

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.highest)


def energy_chart(spectrum: Spectrum, title: str) -> Image.Image:
    """A bar a block, in the model's order, of its share of the change, stacked by parts of the block.

    With a model, a second plot below has the change in parts of the weights.
    """
    blocks = spectrum.blocks
    width = max(_WIDTH, _LEFT + _RIGHT + _NARROWEST * len(blocks))
    relative = [part.relative for part in blocks]
    known = [value for value in relative if value is not None]
    height = _TOP + _SHARE_HEIGHT + _LABELS + (_RELATIVE_HEIGHT + _GAP if known else 0)
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    write(draw, (_LEFT, 28), fitting(draw, title, 30, width - _LEFT - _RIGHT), 30, INK)
    where = spectrum.family if spectrum.has_model else f"{spectrum.family}, by the names of its layers"
    write(draw, (_LEFT, 68), f"Share of the change (squared norm at strength 1) by block: {where}", 18, FAINT)
    if not blocks:
        write(draw, (_LEFT, _TOP + 40), "Nothing to measure without a model.", 20, FAINT)
        return image
    pitch = min((width - _LEFT - _RIGHT) / len(blocks), _WIDEST)
    shares = _Panel(_TOP, _SHARE_HEIGHT, nice_top(max(part.share for part in blocks)))
    _draw_axis(draw, shares, width)
    _draw_legend(draw, _draw_stacks(draw, shares, spectrum, pitch))
    if known:
        panel = _Panel(_TOP + _SHARE_HEIGHT + _GAP, _RELATIVE_HEIGHT, nice_top(max(known)))
        write(
            draw, (_LEFT, panel.top - 38), "Change in parts of the block's weights, norm by norm", 18, FAINT
        )
        _draw_axis(draw, panel, width)
        for place, value in enumerate(relative):
            if value is not None:
                _bar(draw, place, pitch, panel.y(value), panel.y(0), _RELATIVE)
    draw_labels(image, [part.block for part in blocks], _LEFT, pitch, height - _LABELS + 12)
    return image


def _draw_stacks(
    draw: ImageDraw.ImageDraw, panel: _Panel, spectrum: Spectrum, pitch: float
) -> list[tuple[str, str]]:
    """Draw the stacked bars and return what the legend needs: the groups in use, in their order."""
    order = [*_GROUPS.values(), _OTHER]
    places = {part.block: place for place, part in enumerate(spectrum.blocks)}
    stacks: dict[tuple[int, tuple[str, str]], float] = {}
    for part in spectrum.parts:
        key = (places[part.block], _group(part.element))
        stacks[key] = stacks.get(key, 0.0) + part.share
    bottoms = [0.0] * len(places)
    for place, group in sorted(stacks, key=lambda key: order.index(key[1])):
        share = stacks[place, group]
        _bar(draw, place, pitch, panel.y(bottoms[place] + share), panel.y(bottoms[place]), group[1])
        bottoms[place] += share
    used = {group for _, group in stacks}
    return [group for group in order if group in used]


def _group(element: str) -> tuple[str, str]:
    words = element.split(".")
    return next((group for word, group in _GROUPS.items() if word in words), _OTHER)


def _bar(draw: ImageDraw.ImageDraw, place: int, pitch: float, top: float, bottom: float, colour: str) -> None:
    upper, lower = round(top), round(bottom)
    if upper < lower:
        left = _LEFT + place * pitch + pitch * 0.14
        draw.rectangle((round(left), upper, round(left + pitch * 0.72) - 1, lower - 1), fill=colour)


def _draw_axis(draw: ImageDraw.ImageDraw, panel: _Panel, width: int) -> None:
    steps = 4
    for step in range(steps + 1):
        value = panel.highest * step / steps
        y = round(panel.y(value))
        draw.line((_LEFT, y, width - _RIGHT, y), fill=GRID if step else FAINT)
        write(draw, (_LEFT - 12, y), percent(value, panel.highest), 16, FAINT, anchor="rm")


def _draw_legend(draw: ImageDraw.ImageDraw, groups: Sequence[tuple[str, str]]) -> None:
    x = float(_LEFT)
    for name, colour in groups:
        draw.rectangle((x, 106, x + 14, 120), fill=colour)
        write(draw, (x + 22, 113), name, 16, INK, anchor="lm")
        x += 22 + draw.textlength(name, font=font(16)) + 28
