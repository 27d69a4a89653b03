"""extract: what a tuned checkpoint changes of its base, as a LoRA."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..reading import refuse_existing
from ..saving import DTYPES, NAMINGS, plan_extract
from .lora_output import add_file_options, report_and_write, size_in
from .output import ProgressBar

_DESCRIPTION = (
    "Write what a tuned checkpoint changes of the one it was made from as a LoRA: matrices as factors, norms "
    "and biases as differences. Both checkpoints pass through memory a tensor at a time."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "extract", help="write the difference of two checkpoints as a LoRA", description=_DESCRIPTION
    )
    parser.add_argument("tuned", type=Path, metavar="TUNED", help="the checkpoint with the change")
    parser.add_argument("base", type=Path, metavar="BASE", help="the checkpoint it was made from")
    add_file_options(parser, needs_size=True, namings=NAMINGS[1:])
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan the LoRA, say what it loses, write it."""
    refuse_existing(options.out, options.force)
    with ProgressBar(options.progress, sys.stderr, counts="weights") as progress:
        planned = plan_extract(
            options.tuned, options.base, size_in(options), DTYPES[options.dtype], options.naming, progress
        )
    return report_and_write(planned, options)
