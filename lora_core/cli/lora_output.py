"""A LoRA that a command writes: its options, its report, the file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..saving import DTYPES, NAMINGS, SavePlan, Size, write_save
from .output import add_json_option, print_json, read_size, size_text


def add_file_options(parser: argparse.ArgumentParser, needs_size: bool, namings: Sequence[str]) -> None:
    """Where a LoRA is written, how large it becomes, and in which form; see `size_in`."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the result")
    size = parser.add_mutually_exclusive_group(required=needs_size)
    size.add_argument("--rank", type=_positive, metavar="N", help="at most this rank in every layer")
    size.add_argument(
        "--keep", type=_share, metavar="E", help="the share of the energy to keep, such as 0.99"
    )
    size.add_argument("--max", type=read_size, metavar="SIZE", help="the largest file, such as 64MiB")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="of the result; fp32 when left out")
    takes = "; all but the first take --model" if namings == NAMINGS else ""
    parser.add_argument("--naming", choices=namings, default=namings[0], help=f"the names of layers{takes}")
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="the bar on stderr; on in a terminal"
    )
    add_json_option(parser)


def size_in(options: argparse.Namespace) -> Size:
    """The size that the options ask for."""
    return Size(options.rank, options.keep, options.max)


def report_and_write(planned: SavePlan, options: argparse.Namespace) -> int:
    """Say the error of a file, then write it where the options say, and say that."""
    print(planned.describe(), file=sys.stderr)
    written = write_save(planned, options.out, options.force)
    if options.json:
        print_json(_json(planned, options.out, written))
    else:
        print(f"{options.out}: {size_text(written)} written")
    return 0


def _json(planned: SavePlan, out: Path, written: int) -> dict[str, Any]:
    return {
        "out": str(out),
        "size_bytes": written,
        "weights": len(planned.weights),
        "ranks": [weight.rank for weight in planned.weights],
        "error": planned.error,
        "error_by_block": planned.error_by_block(),
        "notes": list(planned.notes),
    }


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rank; write a whole number from 1")
    return int(text)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; write a number above 0, and 1 at most")
    return value
