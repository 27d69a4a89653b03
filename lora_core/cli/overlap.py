"""overlap: where the LoRAs of a stack get in each other's way, and the numbers that balance them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..changes import StackRow
from ..grammar import write_safely
from ..overlap import balanced, describe_overlap, measure_overlap, overlap_json
from ..reading import PartialLora, refuse_existing, replacing
from .models import sides_of
from .output import ProgressBar, add_json_option, print_json
from .stacks import add_stack_options, stack_of

_DESCRIPTION = (
    "Say how much the LoRAs of a stack change each block together, where two of them pull the same way, and "
    "the stack in which no block changes more than the strongest LoRA alone changes it."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "overlap", help="where LoRAs get in each other's way", description=_DESCRIPTION
    )
    add_stack_options(parser)
    parser.add_argument(
        "--model",
        type=Path,
        metavar="CHECKPOINT",
        help="the model, for changes in parts of its weights and for kinds that depend on them",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the balanced stack as text to this file"
    )
    parser.add_argument("--force", action="store_true", help="replace --out when it exists")
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="the bar on stderr; on in a terminal"
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, report, and write the balanced stack where that was asked for."""
    if options.out is not None:
        refuse_existing(options.out, options.force)
    rows = [StackRow(row.entry, PartialLora(row.path)) for row in stack_of(options)]
    sides = sides_of(options.model) if options.model else []
    with ProgressBar(options.progress, sys.stderr, counts="weights") as progress:
        overlap = measure_overlap(rows, sides, progress)
    text = write_safely(balanced(overlap))
    if options.out is not None:
        data = f"{text}\n".encode()
        with replacing(options.out, len(data), options.force) as file:
            file.write(data)
    if options.json:
        print_json({**overlap_json(overlap), "balanced": text})
    else:
        print(f"{describe_overlap(overlap)}\n\nBalanced:\n{text}")
    return 0
