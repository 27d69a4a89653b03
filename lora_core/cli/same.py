"""same: which LoRA files of a folder are the same, do the same, or come from one training."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import FileError
from ..lineage import Fingerprint, Group, Member, fingerprint, group
from .output import ProgressBar, add_json_option, print_json
from .stacks import lora_files

_DESCRIPTION = (
    "Find LoRA files of a folder that are the same, that make the same change at another strength, rank or "
    "in another format, and those of one training. Nothing is deleted or written."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser("same", help="find LoRAs that are the same", description=_DESCRIPTION)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to look through")
    parser.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="the bar on stderr; on in a terminal"
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look at every file once, put them together, report. 1 where a file could not be looked at."""
    names = lora_files(options.folder)
    found: list[Fingerprint] = []
    problems: dict[str, str] = {}
    with ProgressBar(options.progress, sys.stderr, counts="files") as progress:
        for done, name in enumerate(names, start=1):
            try:
                found.append(fingerprint(options.folder / name))
            except FileError as error:
                problems[name] = str(error)
            progress(done, len(names))
    groups = group(found)
    if options.json:
        print_json(
            {
                "files": len(found),
                "groups": [_json(one, options.folder) for one in groups],
                "problems": problems,
            }
        )
    else:
        for one in groups:
            print(f"{one.words}:")
            for member in one.members:
                print(f"  {_name(member, options.folder)}{_note(one, member)}")
        print(f"{len(found)} LoRAs looked at, {len(groups)} groups")
        for problem in problems.values():
            print(f"not looked at: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _name(member: Member, folder: Path) -> str:
    return member.path.relative_to(folder).as_posix()


def _note(one: Group, member: Member) -> str:
    """What is to be said of a member beside its name."""
    parts: list[str] = []
    if member is not one.members[0]:
        if one.kind == "change" and member.strength is not None:
            parts.append(f"is the first at {member.strength:.4g}")
        elif member.cosine is not None:
            parts.append(f"cosine {member.cosine:.2f}")
    if one.kind == "training":
        parts += [f"epoch {member.epoch}"] if member.epoch is not None else []
        parts += [f"{member.steps} steps"] if member.steps is not None else []
    return f" ({', '.join(parts)})" if parts else ""


def _json(one: Group, folder: Path) -> dict[str, Any]:
    members = [{**asdict(member), "path": _name(member, folder)} for member in one.members]
    return {"kind": one.kind, "members": members}
