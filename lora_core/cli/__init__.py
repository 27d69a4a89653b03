"""The command line: inspect, keys, verdict, merge, save, resize, extract, split, overlap, diff and others.

Thin on purpose: a command reads its arguments, asks the core, and prints. Exit codes: 0 success; 1 the
files differ, a LoRA does not belong on the model, or part of a workflow stays as it is; 2 wrong use, or a
file that cannot be used.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from ..errors import ExistsAlready, FitError, RackError
from ..version import VERSION
from .output import print_error

__all__ = ["main"]

# Command → the module here that adds it. Only that of the command asked for is imported.
COMMANDS = {
    "inspect": "inspect",
    "keys": "keys",
    "verdict": "verdict",
    "merge": "merge",
    "bake": "merge",
    "save": "save",
    "resize": "save",
    "extract": "extract",
    "split": "split",
    "overlap": "overlap",
    "same": "same",
    "diff": "diff",
    "convert": "convert",
    "get": "get",
    "read": "read",
}

_EPILOG = (
    "Exit codes: 0 success; 1 files differ, a LoRA does not fit, or a part of a workflow stays; "
    "2 wrong use or an unusable file."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m lora_core",
        description="Look into LoRA files, get and bake them, read pictures.",
        epilog=_EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"LoRA Rack {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = [COMMANDS[name] for name in given[:1] if name in COMMANDS]
    for module in asked or dict.fromkeys(COMMANDS.values()):
        importlib.import_module(f".{module}", __name__).add_to(commands)
    options = parser.parse_args(given)
    if isinstance(sys.stdout, TextIOWrapper):
        # Names in a file may have letters the terminal has not; stderr writes those so by itself.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except RackError as error:
        print_error(error, "--force replaces it" if isinstance(error, ExistsAlready) else "")
        return 1 if isinstance(error, FitError) else 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # The reader, such as `head`, has what it wanted; nothing may be written to the pipe any more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print_error(error)
        return 2
    except KeyboardInterrupt:
        return 130  # the shell's number for a program ended by Ctrl-C
