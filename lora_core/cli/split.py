"""split: one LoRA as two, its text encoder's part or some blocks apart."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..blocks import read_block_weights
from ..reading import refuse_existing
from ..saving import plan_split, write_save
from .output import add_json_option, print_json, size_text

_DESCRIPTION = (
    "Write one LoRA as two files that do together what it does: the layers of the text encoder and those of "
    "the model, or the layers in some blocks and all others. The numbers stay as they are."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("split", help="write one LoRA as two", description=_DESCRIPTION)
    parser.add_argument("file", type=Path, metavar="FILE", help="the LoRA")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--text-encoder",
        action="store_true",
        help="the text encoder's layers to --out, the model's to --rest",
    )
    what.add_argument(
        "--blocks",
        metavar="BLOCKS",
        help="block weights, such as '*=0 IN04-08=1': layers at 0 go to --rest, all others to --out",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the one part")
    parser.add_argument(
        "--rest", type=Path, required=True, metavar="FILE", help="where to write the other part"
    )
    parser.add_argument("--force", action="store_true", help="replace --out and --rest when they exist")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Part the layers, write both files or none."""
    outs = (options.out, options.rest)
    for out in outs:
        refuse_existing(out, options.force)
    plans = plan_split(
        options.file, None if options.text_encoder else read_block_weights(options.blocks), outs
    )
    written: list[int] = []
    try:
        for plan, out in zip(plans, outs, strict=True):
            written.append(write_save(plan, out, options.force))
    except BaseException:
        for out in outs[: len(written)]:
            out.unlink(missing_ok=True)
        raise
    if options.json:
        names = ("out", "rest")
        print_json(
            {
                name: {"file": str(out), "size_bytes": size, "tensors": len(plan.tensors)}
                for name, out, size, plan in zip(names, outs, written, plans, strict=True)
            }
        )
    else:
        for out, size, plan in zip(outs, written, plans, strict=True):
            print(f"{out}: {len(plan.tensors)} tensors, {size_text(size)} written")
    return 0
