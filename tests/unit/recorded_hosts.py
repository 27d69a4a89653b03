"""The recorded hosts (tests/hosts): what a ComfyUI calls its weights, LoRA names and samplers.

`dev.py record-host` writes them. docs/hosts.md says what an entry holds.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = ROOT / "tests" / "hosts"

Entry = Mapping[str, Any]


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


VERSIONS = tuple(
    sorted((path.name.removesuffix(".json.xz") for path in _FOLDER.glob("*.json.xz")), key=_order)
)


@cache
def recorded(version: str) -> Mapping[str, Entry]:
    """All of a host, by the name of the entry."""
    entries: dict[str, Entry] = json.loads(lzma.decompress((_FOLDER / f"{version}.json.xz").read_bytes()))
    return entries


def models(version: str) -> Mapping[str, Entry]:
    """The model classes of a host and their variants (`Class__variant`)."""
    entries = recorded(version)
    return {name: entry for name, entry in entries.items() if "keys" in entry and not name.startswith("te_")}


def encoders(version: str) -> Mapping[str, Entry]:
    """The text encoders of a host. HiDream-O1's has no weight of its own."""
    return {name: entry for name, entry in recorded(version).items() if name.startswith("te_")}


def shapes(entry: Entry) -> dict[str, tuple[int, ...]]:
    """Weight → shape."""
    return {key: tuple(shape) for key, shape in entry["keys"].items()}


def lora_targets(entry: Entry) -> dict[str, tuple[str, tuple[int, int, int] | None, str | None]]:
    """The host's LoRA names that lead to a weight → weight, rows (dimension, start, length), function."""
    found = {}
    for name, value in entry["lora_names"].items():
        key, rows, function = (*([value] if isinstance(value, str) else value), None, None)[:3]
        if key in entry["keys"]:
            found[name] = (key, tuple(rows) if rows is not None else None, function)
    return found
