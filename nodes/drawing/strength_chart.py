"""A measure over the strength: plain lines, one per series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from .ink import FAINT, LINE, LINES, TEXT, font

_LABEL_PX = 14
_HEAD_PX, _FOOT_PX, _SIDE_PX = 30, 24, 52
_DOT_PX = 3


@dataclass(frozen=True)
class Series:
    """Values of one line, at the chart's places. `name` is empty where there is one line only."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """`places` are the strengths, in any order."""

    title: str
    unit: str
    places: Sequence[float]
    series: Sequence[Series]


Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


def draw_chart(pen: ImageDraw.ImageDraw, chart: Chart, box: Box) -> None:
    """Draw a chart into a box."""
    left, top, right, bottom = box
    pen.text((left, top), chart.title, fill=TEXT, font=font(16))
    after = left + font(16).getlength(chart.title) + 8
    unit_px = font(12).getlength(chart.unit)
    if after + unit_px <= right:
        pen.text((after, top + 3), chart.unit, fill=FAINT, font=font(12))
        after += unit_px
    inner = (left + _SIDE_PX, top + _HEAD_PX, right - 8, bottom - _FOOT_PX)
    lowest, highest = _range([value for line in chart.series for value in line.values])
    _draw_frame(pen, chart, inner, (lowest, highest))
    for number, line in enumerate(chart.series):
        points = sorted(
            (_x(chart, place, inner), _along(value, lowest, highest, inner[3], inner[1]))
            for place, value in zip(chart.places, line.values, strict=True)
        )
        colour = LINES[number % len(LINES)]
        pen.line(points, fill=colour, width=2)
        for x, y in points:
            pen.ellipse((x - _DOT_PX, y - _DOT_PX, x + _DOT_PX, y + _DOT_PX), fill=colour)
    _draw_legend(pen, chart, after, right, top)


def _draw_frame(pen: ImageDraw.ImageDraw, chart: Chart, inner: Box, span: tuple[float, float]) -> None:
    left, top, right, bottom = inner
    for value, y in ((span[1], top), (span[0], bottom)):
        pen.line((left, y, right, y), fill=LINE)
        pen.text((left - 8, y), f"{value:.3g}", fill=FAINT, font=font(_LABEL_PX), anchor="rm")
    last = -1e9
    for place in sorted(set(chart.places)):
        x = _x(chart, place, inner)
        label = f"{place:+.3g}" if place else "0"
        half = font(_LABEL_PX).getlength(label) / 2
        pen.line((x, top, x, bottom), fill=LINE)
        if x - half > last + 6:
            pen.text((x, bottom + 6), label, fill=FAINT, font=font(_LABEL_PX), anchor="ma")
            last = x + half


def _draw_legend(pen: ImageDraw.ImageDraw, chart: Chart, left: float, right: int, top: int) -> None:
    """The names of the series from the right, as many as there is room for."""
    x = float(right)
    for number in reversed(range(len(chart.series))):
        name = chart.series[number].name
        x -= font(12).getlength(name) + 8
        if x < left:
            return
        pen.text((x + 8, top + 3), name, fill=LINES[number % len(LINES)], font=font(12))


def _x(chart: Chart, place: float, inner: Box) -> float:
    low, high = min(chart.places), max(chart.places)
    return _along(place, low, high, inner[0] + 8, inner[2] - 8)


def _along(value: float, low: float, high: float, start: float, stop: float) -> float:
    """Where a value stands between two pixels; in the middle where there is no span."""
    return (start + stop) / 2 if high == low else start + (value - low) / (high - low) * (stop - start)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The ends of the value axis: a little beyond the values, and not so near that noise looks a trend."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, 0.02 * max(abs(low), abs(high)), 1e-6)
    return max(0.0, low - room), high + room
