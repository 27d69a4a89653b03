"""Which file a name means, among the names there are.

A path relative to a loras folder decides, with or without its extension, '/' and '\\' alike; else the file's
stem. Never part of a name, never the first of several. library.py goes on to hashes and aliases.
"""

from __future__ import annotations

import difflib
import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..errors import AmbiguousLora, MissingLora

_NEAREST = 5
_LONGEST = 255  # letters of a file's name


def resolve(name: str, available: Sequence[str]) -> str:
    """The one of `available` (paths relative to a loras folder) that `name` means, as spelled there.

    Raises AmbiguousLora with all candidates, or MissingLora with the nearest names.
    """
    return only(name, named(name, available), lambda: nearest(name, available))


def only(name: str, found: Sequence[str], near: Callable[[], Sequence[str] | None], page: str = "") -> str:
    """The one name found. Raises AmbiguousLora for several, MissingLora for none; `near` gives its hint."""
    if not found:
        raise MissingLora(name, near(), page=page)
    if len(found) > 1:
        raise AmbiguousLora(name, found)
    return found[0]


def named(name: str, available: Sequence[str]) -> list[str]:
    """Every one of `available` that `name` means: those of this path, else those of this stem.

    Letters with marks may be composed or not (NFC, NFD), which looks the same: as they are written decides.
    """
    wanted = _neutral(name)
    return _found(wanted, _table(tuple(available))) or _found(
        _composed(wanted), _table(tuple(available), True)
    )


def named_but_for_case(name: str, available: Sequence[str]) -> list[str]:
    """Every one of `available` that `name` would mean on a disk that does not tell case apart."""
    folded = [_composed(_neutral(other)).casefold() for other in available]
    by_folded: dict[str, list[str]] = {}
    for other, key in zip(available, folded, strict=True):
        by_folded.setdefault(key, []).append(other)
    found = _found(_composed(_neutral(name)).casefold(), _table(tuple(dict.fromkeys(folded))))
    return [other for key in found for other in by_folded[key]]


def _found(wanted: str, table: _Table) -> list[str]:
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
    wanted = (stem if extension in extensions else last)[:_LONGEST]  # "v1.5" has no extension
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


@lru_cache(maxsize=8)  # a node asks for one name after the other in the same list
def _table(available: tuple[str, ...], composed: bool = False) -> _Table:
    table = _Table({}, {}, {})
    for name in available:
        path = _composed(_neutral(name)) if composed else _neutral(name)
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


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
