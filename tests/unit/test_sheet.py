"""Contact sheets, measured in their pixels: everything is on them, and nothing stands over anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nodes.drawing.ink import BACKGROUND, LINES, MARGIN_PX
from nodes.drawing.sheet import Cell, Sheet, draw_sheet
from nodes.drawing.strength_chart import Chart, Series

LONG = "a name nobody would give a file but a test " * 12


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float32) / 255


def sheet(across: int = 3, down: int = 1, size: tuple[int, int] = (128, 128), **changed: Any) -> Sheet:
    picture = np.full((*size, 3), (1.0, 0.0, 0.0), dtype=np.float32)
    values = [float(i) for i in range(across)]
    charts = [Chart(name, "0 … 1", values, [Series("", values)]) for name in ("luma", "saturation", "detail")]
    fields = {
        "title": "ink",
        "note": "all in one pass",
        "columns": [f"{value:+g}" for value in values],
        "sides": (),
        "lines": [[Cell(picture, "luma .5")] * across] * down,
        "charts": charts if across > 1 else (),
    }
    return Sheet(**{**fields, **changed})


def is_red(drawn: np.ndarray) -> np.ndarray:
    found: np.ndarray = (drawn == (1, 0, 0)).all(axis=-1)
    return found


@pytest.mark.parametrize(
    ("columns", "lines", "size"),
    [(1, 1, (128, 128)), (5, 1, (64, 256)), (3, 3, (512, 128)), (99, 2, (64, 64)), (2, 1, (4096, 4096))],
)
def test_every_picture_is_on_the_sheet_once(columns: int, lines: int, size: tuple[int, int]) -> None:
    drawn = draw_sheet(sheet(columns, lines, size))
    red = is_red(drawn)
    starts = np.diff(red.any(axis=0).astype(int), prepend=0) == 1
    assert int(starts.sum()) == columns
    assert int((np.diff(red.any(axis=1).astype(int), prepend=0) == 1).sum()) == lines
    width, height = int(red.any(axis=0).sum()) // columns, int(red.any(axis=1).sum()) // lines
    assert 96 <= max(width, height) <= 512
    assert width / height == pytest.approx(size[1] / size[0], rel=0.02)
    assert drawn.shape[1] <= max(4096, columns * 120)


@pytest.mark.parametrize("columns", [1, 2, 9])
def test_long_words_stay_in_the_picture(columns: int) -> None:
    cells = [[Cell(np.zeros((64, 64, 3), np.float32), LONG)] * columns]
    drawn = draw_sheet(sheet(columns, title=LONG, note=LONG, columns=[LONG] * columns, lines=cells))
    edge = np.concatenate(
        [drawn[:, -MARGIN_PX // 2 :].reshape(-1, 3), drawn[-MARGIN_PX // 2 :].reshape(-1, 3)]
    )
    assert np.allclose(edge, rgb(BACKGROUND), atol=1e-6)


def test_a_note_is_given_in_full() -> None:
    """It says why a sweep took several passes."""
    short, long = (draw_sheet(sheet(1, note=note)) for note in ("two passes", "why it took two " * 20))
    assert long.shape[0] > short.shape[0] + 4 * 20
    ink = ~np.isclose(long[-200:], rgb(BACKGROUND), atol=1e-6).all(axis=-1).all(axis=1)
    assert int((np.diff(ink.astype(int)) == 1).sum()) >= 4


def test_the_picked_column_is_framed_on_every_line() -> None:
    drawn = draw_sheet(sheet(3, 2, picked=1, charts=()))
    frame = np.isclose(drawn, rgb(LINES[0]), atol=1e-6).all(axis=-1)
    red = is_red(drawn)
    framed, pictures = np.flatnonzero(frame.any(axis=0)), np.flatnonzero(red.any(axis=0))
    third = len(pictures) // 3
    assert pictures[third - 1] < framed.min() < pictures[third]
    assert pictures[2 * third - 1] < framed.max() < pictures[2 * third]
    assert int((np.diff(frame.any(axis=1).astype(int), prepend=0) == 1).sum()) == 2
    assert not np.isclose(draw_sheet(sheet(3, 2, charts=())), rgb(LINES[0]), atol=1e-6).all(axis=-1).any()


def test_a_legend_leaves_the_title_alone() -> None:
    places = [0.0, 1.0]
    many = [Series(f"line {i:02}", [0.0, 1.0]) for i in range(60)]
    few = [Series("", [0.0, 1.0])] * 60
    heads = [draw_sheet(sheet(2, charts=[Chart("luma", "0 … 1", places, s)])) for s in (many, few)]
    top = heads[0].shape[0] - 28 - 20 - 12 - 190
    title = [head[top : top + 22, MARGIN_PX : MARGIN_PX + 70] for head in heads]
    assert np.array_equal(*title)
    assert not np.array_equal(*heads)


def test_what_is_no_number_is_black_and_transparency_is_left_out() -> None:
    picture = np.full((256, 256, 4), (1.0, 0.0, 0.0, 0.2), dtype=np.float32)
    picture[:128, :, :3] = np.nan
    drawn = draw_sheet(sheet(1, lines=[[Cell(picture, "")]], charts=()))
    assert is_red(drawn).sum() == 128 * 256
    assert (drawn == 0).all(axis=-1).sum() == 128 * 256
