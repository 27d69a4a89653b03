"""The demo's contact sheet and measures: the only module here that the host's interpreter runs.

`python -m tools.dev.contact_sheet` from the root reads an Order as JSON from standard input, draws it and
prints {file: measures}. Needs Pillow and numpy.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lora_core.metrics import Measures, measure

PICTURE_PX = 224
GAP_PX = 14
MARGIN_PX = 40
CAPTION_PX = 28
TITLE_PX = 38
HEAD_PX = 90

BACKGROUND = "#16181d"
LINE = "#2a2e37"
TEXT = "#e8eaee"
FAINT = "#8b93a1"
ACCENTS = {"detail": "#7cc4ff", "saturation": "#ff9ecb", "brightness": "#ffd479"}


@dataclass(frozen=True)
class Row:
    """One slider with one seed: a picture for each column, and the measure the slider is made to move."""

    slider: str
    seed: int
    moves: str
    files: list[str]


@dataclass(frozen=True)
class Extra:
    """One more picture, of a stack, with the text that made it."""

    file: str
    text: str


@dataclass(frozen=True)
class Order:
    """What to draw; files are in `folder`."""

    folder: Path
    sheet: str
    columns: list[str]
    rows: list[Row]
    extra: Extra

    @classmethod
    def read(cls, text: str) -> Order:
        raw = json.loads(text)
        rows = [Row(**row) for row in raw["rows"]]
        return cls(Path(raw["folder"]), raw["sheet"], raw["columns"], rows, Extra(**raw["extra"]))

    @property
    def files(self) -> list[str]:
        return [file for row in self.rows for file in row.files] + [self.extra.file]


def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size_px)


class Sheet:
    """A picture being drawn from top to bottom."""

    def __init__(self, order: Order, measures: dict[str, Measures]):
        self._order = order
        self._measures = measures
        columns = len(order.columns)
        width = 2 * MARGIN_PX + columns * PICTURE_PX + (columns - 1) * GAP_PX
        row_px = TITLE_PX + PICTURE_PX + CAPTION_PX + GAP_PX
        height = 2 * MARGIN_PX + HEAD_PX + len(order.rows) * row_px + TITLE_PX + PICTURE_PX
        self.image = Image.new("RGB", (width, height), BACKGROUND)
        self._pen = ImageDraw.Draw(self.image)
        self._y = MARGIN_PX

    def draw(self) -> None:
        self._head()
        for row in self._order.rows:
            self._row(row)
        self._stack(self._order.extra)

    def _head(self) -> None:
        self._say(MARGIN_PX, self._y, "LoRA Rack: three sliders, five strengths", 30, TEXT)
        for column, label in enumerate(self._order.columns):
            middle = self._x(column) + PICTURE_PX // 2
            self._say(middle, self._y + 54, f"strength {label}", 18, FAINT, anchor="ma")
        self._y += HEAD_PX

    def _row(self, row: Row) -> None:
        accent = ACCENTS[row.slider]
        self._rule()
        self._say(MARGIN_PX, self._y + 8, f"{row.slider}  ·  seed {row.seed}", 19, accent)
        self._y += TITLE_PX
        for column, file in enumerate(row.files):
            self._paste(self._x(column), file)
            value = getattr(self._measures[file], row.moves)
            middle = self._x(column) + PICTURE_PX // 2
            self._say(middle, self._y + PICTURE_PX + 6, f"{row.moves} {value:.3f}", 17, TEXT, anchor="ma")
        self._y += PICTURE_PX + CAPTION_PX + GAP_PX

    def _stack(self, extra: Extra) -> None:
        self._rule()
        self._say(MARGIN_PX, self._y + 8, "a stack of several", 19, TEXT)
        self._y += TITLE_PX
        self._paste(self._x(0), extra.file)
        for number, line in enumerate(extra.text.splitlines()):
            self._say(self._x(1), self._y + 8 + 30 * number, line, 20, TEXT)
        measures = asdict(self._measures[extra.file])
        words = "   ".join(f"{name} {measures[name]:.3f}" for name in ("luma", "saturation", "detail"))
        self._say(self._x(1), self._y + PICTURE_PX - 26, words, 17, FAINT)

    def _x(self, column: int) -> int:
        return MARGIN_PX + column * (PICTURE_PX + GAP_PX)

    def _rule(self) -> None:
        self._pen.line((MARGIN_PX, self._y, self.image.width - MARGIN_PX, self._y), fill=LINE, width=1)

    def _paste(self, x: int, file: str) -> None:
        with Image.open(self._order.folder / file) as picture:
            shown = picture.convert("RGB").resize((PICTURE_PX, PICTURE_PX), Image.Resampling.BICUBIC)
        self.image.paste(shown, (x, self._y))

    def _say(self, x: int, y: int, text: str, size_px: int, fill: str, anchor: str = "la") -> None:
        self._pen.text((x, y), text, fill=fill, font=font(size_px), anchor=anchor)


def measure_file(path: Path) -> Measures:
    with Image.open(path) as picture:
        return measure(np.asarray(picture.convert("RGB")) / 255.0)


def main() -> None:
    order = Order.read(sys.stdin.read())
    measures = {file: measure_file(order.folder / file) for file in order.files}
    sheet = Sheet(order, measures)
    sheet.draw()
    sheet.image.save(order.folder / order.sheet)
    print(json.dumps({file: asdict(found) for file, found in measures.items()}))


if __name__ == "__main__":
    main()
