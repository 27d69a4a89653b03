"""Which pictures of earlier runs stay in the host's temp folder, and which are removed.

The host empties the folder when it starts and stops only, and a sweep writes up to 99 pictures a run.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

MOST_PLACES = 128  # two a node; what the last run of one shows stays, however large it is
MOST_EARLIER = 200  # sets of pictures that a later run of their node has replaced
MOST_EARLIER_BYTES = 2**30  # of them together


class Shown:
    """The sets of pictures written so far, oldest first.

    What a node's last run shows stays, in the `MOST_PLACES` that were written last. What was replaced since,
    and history or another page may still show, stays within the two other bounds.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[Path, ...]] = OrderedDict()  # by node and what of it
        self._earlier: OrderedDict[tuple[Path, ...], int] = OrderedDict()  # with their bytes
        self._lock = threading.Lock()

    def add(self, place: str, files: Sequence[Path]) -> None:
        """Take in what a place shows from now on, and remove what is beyond the bounds."""
        with self._lock:
            replaced = self._last.pop(place, None)
            self._last[place] = tuple(files)
            if replaced is not None:
                self._earlier[replaced] = sum(map(_size, replaced))
            while len(self._last) > MOST_PLACES:
                _, files = self._last.popitem(last=False)
                self._earlier[tuple(files)] = sum(map(_size, files))
            while len(self._earlier) > MOST_EARLIER or sum(self._earlier.values()) > MOST_EARLIER_BYTES:
                gone, _ = self._earlier.popitem(last=False)
                for path in gone:
                    with suppress(OSError):  # the host has emptied the folder, or another program reads it
                        path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
