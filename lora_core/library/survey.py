"""A look at every LoRA file, which holds until something on disk tells of a change.

Asking thousands of files whether they are as they were takes a second, and each name that means none of them
would have it asked again. A folder's time changes with what comes, goes or is renamed in it. A file still
being written is watched itself, until it can be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A time this close to the look may stand for a change after it: file systems count in steps of up to 2 s.
_UNSURE_NS = 2_000_000_000


@dataclass(frozen=True)
class Survey:
    """The files of a list of names, `paths` by where they lie, and the times that vouch for it."""

    names: Sequence[str]
    paths: Mapping[Path, str]
    _times: Mapping[Path, int]

    @classmethod
    def of(
        cls, names: Sequence[str], paths: Mapping[Path, str], unread: Collection[Path], began_ns: int
    ) -> Survey | None:
        """Of files looked at since `began_ns`, `unread` those that could not be read; None where a change
        may have been missed.
        """
        times = {path: _time(path) for path in (*{path.parent for path in paths}, *unread)}
        is_settled = all(0 <= time < began_ns - _UNSURE_NS for time in times.values())
        return cls(tuple(names), paths, times) if is_settled else None

    def holds(self, names: Sequence[str]) -> bool:
        """Whether these names are the same, and nothing tells of a change."""
        return self.names == tuple(names) and all(_time(p) == time for p, time in self._times.items())


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return -1
