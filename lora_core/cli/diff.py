"""diff: what differs between two files."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import NotALora, WrongUse
from ..reading import PartialLora, read_header
from ..reports import LayerDifference, compare_loras, compare_loras_on, compare_tensors, summary
from .output import add_json_option, print_json, shape_text, table

_ROUNDING = 1e-5  # of products summed in another order, in float32
_DESCRIPTION = (
    "Compare two files. Two LoRAs are compared by the changes they make, whatever the spelling of their "
    "layers; other files tensor by tensor. Differences are in parts of the largest and of the mean value."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("diff", help="compare two files", description=_DESCRIPTION)
    parser.add_argument("a", type=Path, metavar="A")
    parser.add_argument("b", type=Path, metavar="B")
    parser.add_argument("--tensors", action="store_true", help="compare two LoRAs tensor by tensor instead")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="CHECKPOINT",
        help="compare what two LoRAs do to this checkpoint's weights",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        help="the largest difference to ignore; 1e-5 for what LoRAs do, 0 for tensors",
    )
    parser.add_argument("--all", action="store_true", help="also list equal entries")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare, print what differs, and say by the exit code whether anything does."""
    if options.tensors and options.model:
        raise WrongUse("--tensors and --model exclude each other")
    compared = _compare(options)
    found = list(compared.differences)
    tolerance = compared.tolerance if options.tolerance is None else options.tolerance
    differing = [d for d in found if not (d.is_equal or _within(d, tolerance))]
    totals = summary(found)
    listed = found if options.all else differing
    if options.json:
        numbers = {name: _finite(number) for name, number in totals.items()}
        print_json({**numbers, "differing": len(differing), "differences": [_json(d) for d in listed]})
    else:
        if listed:
            print(table([("name", "A", "B", "largest", "mean"), *map(_cells, listed)]))
        print(
            f"{totals['compared']} compared, {len(differing)} differ; largest difference "
            f"{totals['largest']:.3g}, mean {totals['mean']:.3g}"
        )
    return 1 if differing else 0


class _Comparison(NamedTuple):
    differences: Iterator[LayerDifference]
    tolerance: float


def _compare(options: argparse.Namespace) -> _Comparison:
    if options.model:
        return _Comparison(compare_loras_on(options.model, options.a, options.b), _ROUNDING)
    if not options.tensors:
        try:
            return _Comparison(compare_loras(PartialLora(options.a), PartialLora(options.b)), _ROUNDING)
        except NotALora:
            pass  # at least one is a checkpoint or the like: its tensors are all there is
    return _Comparison(compare_tensors(read_header(options.a), read_header(options.b)), 0.0)


def _within(difference: LayerDifference, tolerance: float) -> bool:
    same_form = difference.shapes[0] == difference.shapes[1] and difference.dtypes[0] == difference.dtypes[1]
    return same_form and difference.largest is not None and difference.largest <= tolerance


def _cells(difference: LayerDifference) -> tuple[str, ...]:
    forms = [
        "–" if shape is None else shape_text(shape) + (f" {dtype}" if dtype is not None else "")
        for shape, dtype in zip(difference.shapes, difference.dtypes, strict=True)
    ]
    numbers = ["" if n is None else f"{n:.3g}" for n in (difference.largest, difference.mean)]
    return (difference.name, *forms, *numbers)


def _json(difference: LayerDifference) -> dict[str, Any]:
    return {
        "name": difference.name,
        "shapes": [list(shape) if shape is not None else None for shape in difference.shapes],
        "dtypes": [str(dtype) if dtype is not None else None for dtype in difference.dtypes],
        "largest": _finite(difference.largest),
        "mean": _finite(difference.mean),
    }


def _finite(number: float | None) -> float | None:
    """A number as JSON has it, which knows no infinity."""
    return number if number is not None and math.isfinite(number) else None
