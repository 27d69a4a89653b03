"""The demo's contact sheet and measures: the only module here that the host's interpreter runs.

`python -m tools.dev.contact_sheet` from the root reads an Order as JSON from standard input, draws it as the
pack's own sheets are drawn and prints {file: measures}. Needs Pillow and numpy.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from nodes.drawing.sheet import Cell, Picture, Sheet, draw_sheet
from nodes.drawing.strength_chart import Chart, Series
from PIL import Image

from lora_core.measures.metrics import Measures, measure


@dataclass(frozen=True)
class Row:
    """One slider with one seed: a picture for each strength, and the measure the slider is made to move."""

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
    strengths: list[float]
    rows: list[Row]
    extra: Extra

    @classmethod
    def read(cls, text: str) -> Order:
        raw = json.loads(text)
        rows = [Row(**row) for row in raw["rows"]]
        return cls(Path(raw["folder"]), raw["sheet"], raw["strengths"], rows, Extra(**raw["extra"]))

    @property
    def files(self) -> list[str]:
        return [file for row in self.rows for file in row.files] + [self.extra.file]


def sheet_of(order: Order, pictures: dict[str, Picture], measures: dict[str, Measures]) -> Sheet:
    """A line a row, then the stack alone; a chart a slider, with a line a seed."""
    numbers = {file: asdict(found) for file, found in measures.items()}
    lines = [
        [Cell(pictures[file], f"{row.moves} {numbers[file][row.moves]:.3f}") for file in row.files]
        for row in order.rows
    ]
    stack = measures[order.extra.file]
    words = f"luma {stack.luma:.3f}  sat {stack.saturation:.3f}  det {stack.detail:.3f}"
    charts: dict[str, Chart] = {}
    for row in order.rows:
        values = [numbers[file][row.moves] for file in row.files]
        chart = charts.get(row.slider) or Chart(row.moves, f"{row.slider} slider", order.strengths, [])
        charts[row.slider] = Chart(
            chart.title, chart.unit, chart.places, [*chart.series, Series(f"seed {row.seed}", values)]
        )
    return Sheet(
        title="LoRA Rack: three sliders, five strengths",
        note=f"the stack: {' '.join(order.extra.text.split())}",
        columns=[f"{strength:+g}" if strength else "0" for strength in order.strengths],
        sides=[*(f"{row.slider}, seed {row.seed}" for row in order.rows), "a stack"],
        lines=[*lines, [Cell(pictures[order.extra.file], words)]],
        charts=list(charts.values()),
    )


def read_picture(path: Path) -> Picture:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.float32) / np.float32(255)


def main() -> None:
    order = Order.read(sys.stdin.read())
    pictures = {file: read_picture(order.folder / file) for file in order.files}
    measures = {file: measure(picture) for file, picture in pictures.items()}
    drawn = draw_sheet(sheet_of(order, pictures, measures))
    Image.fromarray((drawn * 255).round().astype(np.uint8)).save(order.folder / order.sheet)
    print(json.dumps({file: asdict(found) for file, found in measures.items()}))


if __name__ == "__main__":
    main()
