"""Which files a piece of code opens and which folders it lists, from Python's own audit events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

_WATCHERS: list[tuple[str, Path, list[Path]]] = []


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHERS and event in ("open", "os.scandir") and isinstance(arguments[0], str | Path):
        for wanted, folder, seen in _WATCHERS:
            if event == wanted and Path(arguments[0]).is_relative_to(folder):
                seen.append(Path(arguments[0]))


sys.addaudithook(_on_event)  # for the life of the process; Python has no way to take it off


@contextmanager
def _watched(event: str, folder: Path) -> Iterator[list[Path]]:
    watcher = (event, folder, list[Path]())
    _WATCHERS.append(watcher)
    try:
        yield watcher[2]
    finally:
        _WATCHERS.remove(watcher)


def opened_under(folder: Path) -> AbstractContextManager[list[Path]]:
    """The files opened under `folder` inside the block."""
    return _watched("open", folder)


def listed_under(folder: Path) -> AbstractContextManager[list[Path]]:
    """The folders listed under `folder` inside the block."""
    return _watched("os.scandir", folder)
