"""Contact sheets: pictures in a grid under their strengths, and a chart of each measure over the strength.

Knows numpy and Pillow, no host and no sweep: what to draw comes in a Sheet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .ink import BACKGROUND, FAINT, GAP_PX, LINE, LINES, MARGIN_PX, TEXT, font
from .strength_chart import Chart, draw_chart

Picture = NDArray[np.float32]
"""(H, W, 3), 0…1."""

_WIDEST_PX = 4096
_CELL_PX = (96, 512)  # the longer side of a picture on the sheet, smallest and largest
_TITLE_PX, _LABEL_PX, _CAPTION_PX, _CHART_PX = 44, 30, 26, 190
_NOTE_PX, _NOTE_LINE_PX = 15, 20
_NARROW_PX = 280  # of a picture, below which its caption is in small type


@dataclass(frozen=True)
class Cell:
    """One picture and what stands under it."""

    picture: Picture
    caption: str


@dataclass(frozen=True)
class Sheet:
    """`lines` of cells, none longer than `columns`. `sides` are the labels left of the lines, empty for none.
    `picked` is a column to frame, None for none.
    """

    title: str
    note: str
    columns: Sequence[str]
    sides: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    charts: Sequence[Chart]
    picked: int | None = None


def draw_sheet(sheet: Sheet) -> Picture:
    """The sheet as a picture."""
    drawing = _Drawing(sheet)
    drawing.draw()
    picture = np.asarray(drawing.image, dtype=np.float32)
    picture /= 255
    return picture


class _Drawing:
    """A sheet being drawn from top to bottom."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._cell = _cell_size(sheet)
        self._side_px = _side_px(sheet)
        self.image = Image.new("RGB", _sheet_size(sheet, self._cell), BACKGROUND)
        self._pen = ImageDraw.Draw(self.image)
        self._y = MARGIN_PX

    def draw(self) -> None:
        """All of it."""
        self._say(MARGIN_PX, self._y, self._sheet.title, 24, TEXT)
        self._y += _TITLE_PX
        for column, label in enumerate(self._sheet.columns):
            shown = _fitted(label, 18, self._cell[0] + GAP_PX)
            self._say(self._middle(column), self._y + 4, shown, 18, TEXT, "ma")
        self._y += _LABEL_PX
        for number in range(len(self._sheet.lines)):
            self._line(number)
        self._charts()
        for line in _note_lines(self._sheet, self.image.width):
            self._say(MARGIN_PX, self._y, line, _NOTE_PX, FAINT)
            self._y += _NOTE_LINE_PX

    def _line(self, number: int) -> None:
        width, height = self._cell
        if self._sheet.sides:
            self._say(MARGIN_PX, self._y + height // 2, self._sheet.sides[number], 18, TEXT, "lm")
        for column, cell in enumerate(self._sheet.lines[number]):
            x = self._x(column)
            self.image.paste(_shown(cell.picture, self._cell), (x, self._y))
            if self._sheet.picked == column:
                frame = (x - 4, self._y - 4, x + width + 3, self._y + height + 3)
                self._pen.rectangle(frame, outline=LINES[0], width=3)
            size_px = 12 if width < _NARROW_PX else 15
            caption = _fitted(cell.caption, size_px, width)
            self._say(self._middle(column), self._y + height + 6, caption, size_px, FAINT, "ma")
        self._y += height + _CAPTION_PX + GAP_PX

    def _charts(self) -> None:
        """Side by side, or below one another where the sheet is narrow."""
        charts = self._sheet.charts
        if not charts:
            return
        per_line = _charts_per_line(self._sheet, self.image.width)
        chart_px = (self.image.width - 2 * MARGIN_PX - (per_line - 1) * 2 * GAP_PX) // per_line
        self._pen.line((MARGIN_PX, self._y, self.image.width - MARGIN_PX, self._y), fill=LINE)
        self._y += GAP_PX
        for start in range(0, len(charts), per_line):
            for place, chart in enumerate(charts[start : start + per_line]):
                x = MARGIN_PX + place * (chart_px + 2 * GAP_PX)
                draw_chart(self._pen, chart, (x, self._y, x + chart_px, self._y + _CHART_PX))
            self._y += _CHART_PX + GAP_PX

    def _x(self, column: int) -> int:
        return MARGIN_PX + self._side_px + column * (self._cell[0] + GAP_PX)

    def _middle(self, column: int) -> int:
        return self._x(column) + self._cell[0] // 2

    def _say(self, x: int, y: int, text: str, size_px: int, fill: str, anchor: str = "la") -> None:
        room = self.image.width - MARGIN_PX - x if anchor == "la" else self.image.width
        self._pen.text((x, y), _fitted(text, size_px, room), fill=fill, font=font(size_px), anchor=anchor)


def _charts_per_line(sheet: Sheet, width: int) -> int:
    return max(1, min(len(sheet.charts), (width - 2 * MARGIN_PX) // 250))


def _cell_size(sheet: Sheet) -> tuple[int, int]:
    """Width and height of a picture on the sheet: its own size, unless that is too large or too small."""
    height, width = sheet.lines[0][0].picture.shape[:2]
    room = (_WIDEST_PX - 2 * MARGIN_PX) // len(sheet.columns) - GAP_PX
    low, high = _CELL_PX
    longer = max(low, min(high, room, max(height, width, 2 * low)))
    scale = longer / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sheet_size(sheet: Sheet, cell: tuple[int, int]) -> tuple[int, int]:
    columns = len(sheet.columns)
    width = 2 * MARGIN_PX + _side_px(sheet) + columns * cell[0] + (columns - 1) * GAP_PX
    width = max(width, 420)  # a chart's
    height = 2 * MARGIN_PX + _TITLE_PX + _LABEL_PX + len(sheet.lines) * (cell[1] + _CAPTION_PX + GAP_PX)
    if sheet.charts:
        lines = -(-len(sheet.charts) // _charts_per_line(sheet, width))
        height += GAP_PX + lines * (_CHART_PX + GAP_PX)
    return width, height + len(_note_lines(sheet, width)) * _NOTE_LINE_PX


def _note_lines(sheet: Sheet, width: int) -> list[str]:
    """The note in as many lines as it takes."""
    face, room = font(_NOTE_PX), width - 2 * MARGIN_PX
    lines: list[str] = []
    for word in sheet.note.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _side_px(sheet: Sheet) -> int:
    if not sheet.sides:
        return 0
    return round(max(font(18).getlength(side) for side in sheet.sides)) + 2 * GAP_PX


def _shown(picture: Picture, size: tuple[int, int]) -> Image.Image:
    levels = np.nan_to_num(np.clip(picture[..., :3], 0, 1)) * 255
    image = Image.fromarray(levels.round().astype(np.uint8))
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def _fitted(text: str, size_px: int, width: int) -> str:
    """The text, cut short where it is wider than its room."""
    face = font(size_px)
    if face.getlength(text) <= width:
        return text
    while text and face.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
