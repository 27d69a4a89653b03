"""What the commands print: tables, JSON, a progress bar."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

_WIDTH = 30
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(KiB|MiB|GiB|kB|MB|GB)?", re.IGNORECASE)
_UNITS = {"": 2**20, "kib": 2**10, "mib": 2**20, "gib": 2**30, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_REDRAW_S = 0.1


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """The option every command has."""
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")


def print_json(value: Any) -> None:
    """One document, as people and programs can both read it."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_error(error: Exception, remedy: str = "") -> None:
    """One line on stderr; `remedy` is what an option of the command can do about it."""
    print(f"error: {error}" + (f". {remedy}" if remedy else ""), file=sys.stderr)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def shape_text(shape: Sequence[int]) -> str:
    """'320×768'; 'scalar' where there is no dimension."""
    return "×".join(map(str, shape)) or "scalar"


def size_text(size: float) -> str:
    """Bytes in the unit that leaves one to four digits before the point."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def read_size(text: str) -> int:
    """Bytes, from `64MiB`, `500 kB` or mebibytes as a bare number. Raises ArgumentTypeError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; write 64MiB, 500kB or 4GiB")
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


class ProgressBar:
    """A line on stderr that fills up, in a `with`. Nothing is drawn where no one looks, unless asked for.

    What is counted are bytes, and `has_speed` shows them per second too; or what `counts` names.
    """

    def __init__(self, shown: bool | None, out: TextIO, has_speed: bool = False, counts: str = "") -> None:
        self._has_speed = has_speed
        self._counts = counts
        self._out = out
        self._shown = out.isatty() if shown is None else shown
        self._started = time.monotonic()
        self._drawn = 0.0
        self._in_line = False

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *raised: object) -> None:
        """End the line, for an error to have one of its own."""
        if self._in_line:
            print(file=self._out)
            self._in_line = False

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._shown or (done < total and now - self._drawn < _REDRAW_S):
            return
        self._drawn = now
        share = done / total if total else 1.0
        bar = ("█" * round(share * _WIDTH)).ljust(_WIDTH, "·")
        seconds = now - self._started
        left = f"{seconds / share - seconds:.0f} s left" if 0 < share < 1 else f"{seconds:.0f} s"
        speed = f"{size_text(done / seconds)}/s  " if self._has_speed and seconds > 0 else ""
        count = f"{done} {self._counts}" if self._counts else size_text(done)
        print(f"\r{bar} {share:4.0%}  {count}  {speed}{left}   ", end="", file=self._out, flush=True)
        self._in_line = True
