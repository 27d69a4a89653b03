"""read: which LoRAs a picture or a workflow was made with."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import RackError, WrongUse
from ..grammar import write_entry
from ..made_with import rows_in_file
from ..workflows import Named
from .output import add_json_option, print_error, print_json

_DESCRIPTION = (
    "Print the LoRAs that a picture was made with, one tag a line, as a rack takes them: what the nodes of "
    "this pack wrote into it, else what its workflow, its prompt or its A1111 parameters name. Reads PNG, "
    "JPEG, WebP and AVIF, workflows and texts. No pixel is decoded."
)
_MOST_BYTES = 2**28


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("read", help="print the LoRAs of a picture", description=_DESCRIPTION)
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE", help="a picture or a workflow")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what each file says. 1 where some could not be read, 2 where none could."""
    found: list[dict[str, Any]] = []
    failed = 0
    for path in options.pictures:
        try:
            named = rows_in_file(_bytes(path))
        except (RackError, OSError) as error:
            failed += 1
            found.append({"file": str(path), "error": str(error)})
            print_error(error if str(path) in str(error) else WrongUse(f"{path}: {error}"))
            continue
        found.append(_as_json(path, named))
        if not options.json:
            _print(path, named, len(options.pictures) > 1)
    if options.json:
        print_json(found)
    return 0 if not failed else 1 if failed < len(options.pictures) else 2


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > _MOST_BYTES:
        raise WrongUse(f"{path}: has more than {_MOST_BYTES} bytes, which no picture with a workflow has")
    return path.read_bytes()


def _as_json(path: Path, named: Named) -> dict[str, Any]:
    rows = [{**asdict(row), "text": write_entry(row)} for row in named.stack.entries]
    return {"file": str(path), "rows": rows, "remarks": list(named.remarks), "error": None}


def _print(path: Path, named: Named, with_name: bool) -> None:
    if with_name:
        print(f"# {path}")
    for row in named.stack.entries:
        print(write_entry(row))
    if not named.stack.entries:
        print(f"{path}: names no LoRA", file=sys.stderr)
    for remark in named.remarks:
        print(f"note: {path}: {remark}", file=sys.stderr)
