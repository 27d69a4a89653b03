"""Which file a name means, among the names there are.

A path relative to a loras folder decides, with or without its extension, '/' and '\\' alike; else the file's
stem. Never part of a name, never the first of several.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import PurePosixPath

from .errors import AmbiguousLora, MissingLora

_NEAREST = 5


def resolve(name: str, available: Sequence[str]) -> str:
    """The one of `available` (paths relative to a loras folder) that `name` means, as spelled there.

    Raises AmbiguousLora with all candidates, or MissingLora with the nearest names.
    """
    wanted = _neutral(name)
    for readings in (_as_path, _as_stem):
        found = [other for other in available if wanted in readings(_neutral(other))]
        if len(found) > 1 and readings is _as_path:
            found = [other for other in found if _neutral(other) == wanted] or found
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousLora(name, found)
    raise MissingLora(name, _nearest(wanted, available))


def _neutral(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _as_path(path: str) -> tuple[str, ...]:
    return path, str(PurePosixPath(path).with_suffix(""))


def _as_stem(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).name, PurePosixPath(path).stem


def _nearest(wanted: str, available: Sequence[str]) -> list[str]:
    paths = {name: PurePosixPath(_neutral(name)) for name in available}
    by_stem: dict[str, list[str]] = {}
    for name, path in paths.items():
        by_stem.setdefault(path.stem.lower(), []).append(name)
    last = PurePosixPath(wanted)
    has_extension = last.suffix in {path.suffix for path in paths.values()}  # "v1.5" has none
    stem = last.stem if has_extension else last.name
    close = difflib.get_close_matches(stem.lower(), by_stem, n=_NEAREST, cutoff=0.6)
    return [name for key in close for name in by_stem[key]][:_NEAREST]
