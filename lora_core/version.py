"""The version of this pack, which stands in pyproject.toml and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_LINE = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


def read_version(project: Path = _PROJECT) -> str:
    """The version a pyproject.toml states, or "unknown" where the file is not beside the pack.

    Python 3.10 has no reader of TOML.
    """
    try:
        found = _LINE.search(project.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return "unknown"
    return found[1] if found else "unknown"


VERSION = read_version()
