"""Which files a piece of code opens, from Python's own audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WATCHERS: list[tuple[Path, list[Path]]] = []


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _WATCHERS and isinstance(arguments[0], str):
        for folder, opened in _WATCHERS:
            if Path(arguments[0]).is_relative_to(folder):
                opened.append(Path(arguments[0]))


sys.addaudithook(_on_event)  # for the life of the process; Python has no way to take it off


@contextmanager
def opened_under(folder: Path) -> Iterator[list[Path]]:
    """The files opened under `folder` inside the block."""
    watcher = (folder, list[Path]())
    _WATCHERS.append(watcher)
    try:
        yield watcher[1]
    finally:
        _WATCHERS.remove(watcher)
