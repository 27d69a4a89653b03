"""Which file a name means, among the names there are.

A path relative to a loras folder decides, with or without its extension, '/' and '\\' alike; else the file's
stem. Never part of a name, never the first of several. library.py goes on to hashes and aliases.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..errors import AmbiguousLora, MissingLora

_NEAREST = 5


def resolve(name: str, available: Sequence[str]) -> str:
    """The one of `available` (paths relative to a loras folder) that `name` means, as spelled there.

    Raises AmbiguousLora with all candidates, or MissingLora with the nearest names.
    """
    return only(name, named(name, available), available)


def only(name: str, found: Sequence[str], available: Sequence[str], page: str = "") -> str:
    """The one name found. Raises AmbiguousLora for several, MissingLora for none."""
    if not found:
        raise MissingLora(name, nearest(name, available), page=page)
    if len(found) > 1:
        raise AmbiguousLora(name, found)
    return found[0]


def named(name: str, available: Sequence[str]) -> list[str]:
    """Every one of `available` that `name` means: those of this path, else those of this stem."""
    table = _table(tuple(available))
    wanted = _neutral(name)
    return [*(table.exact.get(wanted) or table.paths.get(wanted) or table.stems.get(wanted) or ())]


def nearest(name: str, available: Sequence[str]) -> list[str]:
    """Names that may have been meant, the likeliest first."""
    return [*_nearest_of(name, tuple(available))]


@lru_cache(maxsize=64)  # a missing name is asked for with every queue, and thousands take their time
def _nearest_of(name: str, available: tuple[str, ...]) -> tuple[str, ...]:
    by_stem: dict[str, list[str]] = {}
    extensions: set[str] = set()
    for other in available:
        stem, extension = posixpath.splitext(_last(_neutral(other)))
        by_stem.setdefault(stem.lower(), []).append(other)
        extensions.add(extension)
    last = _last(_neutral(name))
    stem, extension = posixpath.splitext(last)
    wanted = stem if extension in extensions else last  # "v1.5" has no extension
    close = difflib.get_close_matches(wanted.lower(), by_stem, n=_NEAREST, cutoff=0.6)
    return tuple([name for key in close for name in by_stem[key]][:_NEAREST])


def file_name(name: str) -> str:
    """The last part of a name, whichever separator it has."""
    return _last(_neutral(name))


def file_stem(name: str) -> str:
    """The last part of a name, without the extension."""
    return posixpath.splitext(_last(_neutral(name)))[0]


class _Table(NamedTuple):
    exact: dict[str, list[str]]  # path → names
    paths: dict[str, list[str]]  # path without extension → names
    stems: dict[str, list[str]]  # file name, and without extension → names


@lru_cache(maxsize=4)  # a node asks for one name after the other in the same list
def _table(available: tuple[str, ...]) -> _Table:
    table = _Table({}, {}, {})
    for name in available:
        path = _neutral(name)
        bare = posixpath.splitext(path)[0]
        table.exact.setdefault(path, []).append(name)
        table.paths.setdefault(bare, []).append(name)
        for stem in _each_once(_last(path), _last(bare)):
            table.stems.setdefault(stem, []).append(name)
    return table


def _each_once(*values: str) -> Iterable[str]:
    return dict.fromkeys(values)


def _neutral(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _last(path: str) -> str:
    return path.rpartition("/")[2]
