"""save: a stack as one LoRA file; resize: one LoRA smaller."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..changes import StackRow
from ..merging import SUM, Method
from ..reading import PartialLora, refuse_existing
from ..saving import DTYPES, NAMINGS, plan_save
from ..stack import Entry
from .lora_output import add_file_options, report_and_write, size_in
from .methods import add_method_options, method_in
from .models import sides_of
from .output import ProgressBar
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
    add_file_options(save, needs_size=False, namings=NAMINGS)
    _add_model_option(save)
    add_method_options(save)
    save.add_argument(
        "--without-windows", action="store_true", help="save rows with start or stop as on all the time"
    )
    save.set_defaults(run=run_save)
    resize = commands.add_parser("resize", help="write one LoRA with lower ranks", description=_RESIZE)
    resize.add_argument("file", type=Path, metavar="FILE", help="the LoRA")
    add_file_options(resize, needs_size=True, namings=NAMINGS)
    _add_model_option(resize)
    resize.set_defaults(run=run_resize)


def _add_model_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, metavar="CHECKPOINT", help="the model the LoRAs are for")


def run_save(options: argparse.Namespace) -> int:
    """Plan the stack, say what it costs, write it."""
    rows = [StackRow(row.entry, PartialLora(row.path)) for row in stack_of(options)]
    return _run(rows, options, method_in(options), options.without_windows)


def run_resize(options: argparse.Namespace) -> int:
    """The same for one file at strength 1."""
    entry = Entry(options.file.name.strip() or "lora")
    return _run([StackRow(entry, PartialLora(options.file))], options, SUM, False)


def _run(rows: list[StackRow], options: argparse.Namespace, method: Method, without_windows: bool) -> int:
    refuse_existing(options.out, options.force)
    sides = sides_of(options.model) if options.model else []
    with ProgressBar(options.progress, sys.stderr, counts="weights") as progress:
        planned = plan_save(
            rows,
            sides,
            size_in(options),
            DTYPES[options.dtype],
            options.naming,
            method,
            without_windows,
            progress,
        )
    return report_and_write(planned, options)
