"""The contact sheet of a sweep: which picture stands where, what is said of it, and the charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isclose
from typing import Any

import numpy as np

from ...lora_core.axes import Sweep, strength_label
from ...lora_core.measures import Measured
from .sheet import Cell, Picture, Sheet, draw_sheet
from .strength_chart import Chart, Series

CHARTED = ("luma", "saturation", "detail")
_SHORT = {"luma": "luma", "saturation": "sat", "detail": "det"}
_UNITS = {"luma": "0 black … 1 white", "saturation": "OKLab chroma", "detail": "rms of fine luma"}


def draw_sweep(
    sweep: Sweep, measured: Sequence[Measured], pictures: Any, note: str, picked: float | None = None
) -> Picture:
    """The sheet of a sweep's pictures, (N, H, W, 3). `picked` is a strength of a single axis to frame."""
    latents = 1 + max(one.latent for one in measured)
    first = sweep.axes[0]
    lines: list[list[Cell]] = []
    sides: list[str] = []
    for latent in range(latents):
        of_latent = [one for one in measured if one.latent == latent]
        for line in range(sweep.lines):
            row = of_latent[line * sweep.columns : (line + 1) * sweep.columns]
            lines.append([Cell(np.asarray(pictures[one.index]), _caption(one)) for one in row])
            sides.append(_side(sweep, line, latent, latents))
    title = " across, ".join(axis.name for axis in sweep.axes) + (" down" if len(sweep.axes) > 1 else "")
    return draw_sheet(
        Sheet(
            title,
            note,
            [strength_label(value) for value in first.values],
            sides if any(sides) else (),
            lines,
            _charts(sweep, measured),
            None if picked is None else _column_of(picked, first.values),
        )
    )


def _column_of(picked: float, values: Sequence[float]) -> int | None:
    """Where a strength stands among the values, as near as the steps of a widget come to it."""
    return next((i for i, value in enumerate(values) if isclose(value, picked, abs_tol=1e-6)), None)


def _caption(one: Measured) -> str:
    measures = asdict(one.measures)
    return "   ".join(f"{_SHORT[name]} {measures[name]:.3f}".replace(" 0.", " .") for name in CHARTED)


def _side(sweep: Sweep, line: int, latent: int, latents: int) -> str:
    second = strength_label(sweep.axes[1].values[line]) if len(sweep.axes) > 1 else ""
    number = f"#{latent + 1}" if latents > 1 else ""
    return " ".join(filter(None, (number, second)))


def _charts(sweep: Sweep, measured: Sequence[Measured]) -> list[Chart]:
    """Each measure over the first axis, a line for each value of the second, the mean of several latents."""
    places = sweep.axes[0].values
    if len(set(places)) < 2:
        return []
    names = [strength_label(value) for value in sweep.axes[1].values] if len(sweep.axes) > 1 else [""]
    charts: list[Chart] = []
    for measure in CHARTED:
        series: list[Series] = []
        for line, name in enumerate(names):
            rows = range(line * sweep.columns, (line + 1) * sweep.columns)
            values = [_mean(measure, measured, sweep.rows[row]) for row in rows]
            series.append(Series(name, values))
        charts.append(Chart(measure, _UNITS[measure], places, series))
    return charts


def _mean(measure: str, measured: Sequence[Measured], strengths: tuple[float, ...]) -> float:
    return float(np.mean([asdict(one.measures)[measure] for one in measured if one.strengths == strengths]))
