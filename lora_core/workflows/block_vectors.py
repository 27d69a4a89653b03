"""Inspire's block vectors as block weights.

Its cells stand for the blocks a file has, in order, so a complete file gives a vector of known length its
meaning. Two lengths are read otherwise elsewhere: 20 cells are here BASE and Flux's double blocks, and the
last cell goes on for every block after.
"""

from __future__ import annotations

import re

from ..blocks import BlockWeights, read_block_weights
from ..errors import NotConvertible

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_SAME = (12, 17, 21, 27, 58)  # lengths that mean the same blocks to us
_FLUX_DOUBLE = 20
_BASE_NOTE = (
    "Inspire's first number also weighted the layers outside all blocks; BASE weights the text encoders alone"
)


def read_inspire(text: str, letters: dict[str, float], inverse: bool) -> tuple[BlockWeights, tuple[str, ...]]:
    """The block weights of a vector, and what is not the same in them.

    `letters` are the values of A and B. Raises NotConvertible for what has no fixed absolute meaning.
    """
    text = " ".join(text.split())
    if text.startswith("%"):
        raise NotConvertible(f"{text!r} counts the blocks of the file, so it means other blocks in each")
    cells = [cell.strip() for cell in text.rpartition(":")[2].split(",")]
    if len(cells) == 1:
        raise NotConvertible(
            f"its preset {cells[0]!r} is not spelled out: choose the preset again, so that its numbers appear"
        )
    weights = [_weight(cell, letters) for cell in cells]
    if inverse:
        weights = [1 - weight for weight in weights]
    notes = (_BASE_NOTE,) if weights[0] != 1 else ()
    if len(weights) in _SAME:
        return read_block_weights(",".join(map(_written, weights))), notes
    if len(weights) == _FLUX_DOUBLE:
        named = [f"BASE={_written(weights[0])}"]
        named += [f"D{place:02}={_written(weight)}" for place, weight in enumerate(weights[1:])]
        return read_block_weights(" ".join([*named, f"S*={_written(weights[-1])}"])), notes
    known = ", ".join(map(str, sorted((*_SAME, _FLUX_DOUBLE))))
    raise NotConvertible(f"its vector has {len(weights)} numbers; lengths with a known meaning are {known}")


def _weight(cell: str, letters: dict[str, float]) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    if cell.upper() in letters:
        value = letters[cell.upper()]
        return value if cell.isupper() else value / 2
    if cell.upper() in ("R", "U"):
        raise NotConvertible(f"{cell!r} in its vector is a random number; write the number you want to keep")
    raise NotConvertible(f"{cell!r} in its vector is not a single number")


def _written(weight: float) -> str:
    return f"{round(weight, 6):g}"
