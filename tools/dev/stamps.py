"""Stamps: one small file that says a folder is complete and from which inputs it was made.

A stamp is written last, so a folder without the right stamp is unfinished or out of date.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

STAMP = ".rack-stamp.json"


def digest(*parts: str | bytes) -> str:
    """A short fingerprint of the inputs; order and borders between parts count."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(len(raw).to_bytes(8, "big") + raw)
    return total.hexdigest()[:16]


def pinned_lines(path: Path) -> str:
    """A pins file without its comments, with one kind of line ending, so that only versions count."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("#"))


def file_sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            total.update(block)
    return total.hexdigest()


def is_stamped(folder: Path, inputs: str) -> bool:
    return read_stamp(folder).get("inputs") == inputs


def read_stamp(folder: Path) -> dict[str, str]:
    """The stamp's content; empty when there is none or it cannot be read as one."""
    try:
        content = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_stamp(folder: Path, inputs: str, **details: str) -> None:
    write_whole(folder / STAMP, json.dumps({"inputs": inputs, **details}, indent=1) + "\n")


def remove_stamp(folder: Path) -> None:
    (folder / STAMP).unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old content or the new, never a part."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
