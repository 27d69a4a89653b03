"""save: a stack as one LoRA file; resize: one LoRA smaller."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..changes import StackRow
from ..reading import PartialLora, refuse_existing
from ..saving import DTYPES, NAMINGS, SavePlan, Size, plan_save, write_save
from ..stack import Entry
from .models import sides_of
from .output import ProgressBar, add_json_option, print_json, read_size, size_text
from .stacks import add_stack_options, stack_of

_SAVE = (
    "Write a stack of LoRAs as one ordinary LoRA file. Without --rank, --keep or --max the file does exactly "
    "what the stack does. The error is said before the file is written."
)
_RESIZE = "Write one LoRA with lower ranks. The error of every block is said before the file is written."


def add_to(commands: Any) -> None:
    """Declare the two commands and their options."""
    save = commands.add_parser("save", help="write a stack as one LoRA file", description=_SAVE)
    add_stack_options(save)
    _add_options(save, needs_size=False)
    save.add_argument(
        "--without-windows", action="store_true", help="save rows with start or stop as on all the time"
    )
    save.set_defaults(run=run_save)
    resize = commands.add_parser("resize", help="write one LoRA with lower ranks", description=_RESIZE)
    resize.add_argument("file", type=Path, metavar="FILE", help="the LoRA")
    _add_options(resize, needs_size=True)
    resize.set_defaults(run=run_resize)


def _add_options(parser: argparse.ArgumentParser, needs_size: bool) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the result")
    size = parser.add_mutually_exclusive_group(required=needs_size)
    size.add_argument("--rank", type=_positive, metavar="N", help="at most this rank in every layer")
    size.add_argument(
        "--keep", type=_share, metavar="E", help="the share of the energy to keep, such as 0.99"
    )
    size.add_argument("--max", type=read_size, metavar="SIZE", help="the largest file, such as 64MiB")
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help="of the result; fp32 when left out")
    parser.add_argument(
        "--naming", choices=NAMINGS, default=NAMINGS[0], help="the names of layers; takes --model"
    )
    parser.add_argument("--model", type=Path, metavar="CHECKPOINT", help="the model the LoRAs are for")
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="the bar on stderr; on in a terminal"
    )
    add_json_option(parser)


def run_save(options: argparse.Namespace) -> int:
    """Plan the stack, say what it costs, write it."""
    rows = [StackRow(row.entry, PartialLora(row.path)) for row in stack_of(options)]
    return _run(rows, options, options.without_windows)


def run_resize(options: argparse.Namespace) -> int:
    """The same for one file at strength 1."""
    entry = Entry(options.file.name.strip() or "lora")
    return _run([StackRow(entry, PartialLora(options.file))], options, False)


def _run(rows: list[StackRow], options: argparse.Namespace, without_windows: bool) -> int:
    refuse_existing(options.out, options.force)
    size = Size(options.rank, options.keep, options.max)
    sides = sides_of(options.model) if options.model else []
    with ProgressBar(options.progress, sys.stderr, counts="weights") as progress:
        planned = plan_save(
            rows, sides, size, DTYPES[options.dtype], options.naming, without_windows, progress
        )
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
