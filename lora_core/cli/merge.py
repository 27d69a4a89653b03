"""merge (or bake): write a stack of LoRAs into a checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch

from ..baking import Bake, bake, plan_bake
from ..reading import refuse_existing
from .methods import add_method_options, method_in
from .output import ProgressBar, add_json_option, print_json, size_text
from .stacks import add_stack_options, stack_of

_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
_DESCRIPTION = (
    "Write a stack of LoRAs into a checkpoint. The checkpoint passes through memory a tensor at a time; the "
    "result appears whole or not at all."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "merge", aliases=["bake"], help="write a stack of LoRAs into a checkpoint", description=_DESCRIPTION
    )
    add_stack_options(parser)
    add_method_options(parser)
    parser.add_argument(
        "--into",
        type=Path,
        required=True,
        metavar="CHECKPOINT",
        help="the checkpoint to change; it is only read",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the result")
    parser.add_argument("--dtype", choices=_DTYPES, help="dtype of the result (default: each tensor's own)")
    parser.add_argument("--force", action="store_true", help="replace --out if it exists")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show the bar on stderr (default: in a terminal)",
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan, write, report."""
    refuse_existing(options.out, options.force)
    rows = stack_of(options)
    planned = plan_bake(
        options.into, [row.entry for row in rows], [row.path for row in rows], method_in(options)
    )
    with ProgressBar(options.progress, sys.stderr) as progress:
        dtype = getattr(torch, _DTYPES[options.dtype]) if options.dtype else None
        size = bake(planned, options.out, dtype, options.force, progress)
    if options.json:
        print_json(_json(planned, options.out, size))
        return 0
    print("\n".join(verdict.describe() for verdict in planned.verdicts))
    tensors = len(planned.header.tensors)
    print(f"{options.out}: {planned.changed} of {tensors} tensors changed, {size_text(size)} written")
    return 0


def _json(planned: Bake, out: Path, size: int) -> dict[str, Any]:
    return {
        "out": str(out),
        "size_bytes": size,
        "family": planned.layout.description,
        "tensors": len(planned.header.tensors),
        "tensors_changed": planned.changed,
        "loras": [
            {
                "path": str(lora.stamp.path),
                "strength_model": verdict.entry.strength_model,
                "strength_clip": verdict.entry.strength_clip,
                "layers": len(verdict.lora.layers),
                "layers_model": len(verdict.model.layers) if verdict.model else 0,
                "layers_clip": len(verdict.clip.layers) if verdict.clip else 0,
                "unmatched": list(verdict.unmatched),
                "unknown_keys": list(verdict.lora.unknown_keys),
            }
            for verdict, lora in zip(planned.verdicts, planned.loras, strict=True)
        ],
    }
