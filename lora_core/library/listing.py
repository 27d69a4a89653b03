"""One folder on disk, read once: which files lie in it, and when each changed.

A stat for every file that might lie beside a LoRA would cost a second where there are thousands of them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Listing:
    """The entries of a folder by name; empty where the folder cannot be read."""

    folder: Path
    entries: Mapping[str, os.DirEntry[str]]
    folded: Mapping[str, str]  # lower-case name → one name as it is spelled

    @classmethod
    def of(cls, folder: Path) -> Listing:
        try:
            with os.scandir(folder) as found:
                entries = {entry.name: entry for entry in found}
        except OSError:
            entries = {}
        return cls(folder, entries, {name.lower(): name for name in entries})

    def find(self, name: str) -> str | None:
        """The file of a name, as spelled; the same letters in another case will do."""
        return name if name in self.entries else self.folded.get(name.lower())

    def first(self, names: Iterable[str]) -> str | None:
        """The first of several names that is here."""
        return next((found for name in names if (found := self.find(name)) is not None), None)

    def state(self, name: str) -> tuple[int, int] | None:
        """Size and mtime in ns; None for what is no file."""
        entry = self.entries.get(name)
        try:
            if entry is None or not entry.is_file():
                return None
            found = entry.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class Probe:
    """A folder asked for one name after the other: quicker than a listing for a few names in a large one."""

    folder: Path

    def find(self, name: str) -> str | None:
        """The file of exactly this name."""
        return name if self.state(name) is not None else None

    def state(self, name: str) -> tuple[int, int] | None:
        """Size and mtime in ns; None for what is no file."""
        try:
            found = (self.folder / name).stat()
        except (OSError, ValueError):
            return None
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None
