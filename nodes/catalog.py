"""Every LoRA the host lists, as the page shows them: what is known of each, searched, in pages."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..lora_core.errors import RackError
from ..lora_core.search import Query
from ..lora_core.sidecars import trigger_words
from . import host
from .previews import Preview, Previews

PAGE_LIMIT = 200


@dataclass(frozen=True)
class Card:
    """One LoRA in a list. `preview` is the version of its picture, empty where there is none; `problem` says
    why a file cannot be used, empty where nothing is known against it.
    """

    name: str
    folder: str
    title: str
    family: str
    words: tuple[str, ...]
    source: str
    size: int
    modified_s: int
    preview: str
    problem: str

    @property
    def fields(self) -> tuple[tuple[str, float], ...]:
        """What a search looks into, and how much a find there counts."""
        return (
            *_name_fields(self.name),
            (self.title.casefold(), 0.9),
            (" ".join(self.words).casefold(), 0.5),
            (self.family.casefold(), 0.4),
        )


@dataclass(frozen=True)
class Page:
    """A part of a list: `cards` from place `offset` of the `total` found."""

    total: int
    offset: int
    cards: tuple[Card, ...]


class Catalog:
    """The host's LoRAs. What was read of a file is kept until the file or its folder changes.

    A search looks into names at once, and into titles, words and families as far as they have been read: a
    thread reads them all from the first search on.
    """

    def __init__(self) -> None:
        self.previews = Previews()
        self._cards: dict[str, tuple[tuple[int, ...], Card]] = {}
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()

    def page(self, query: str, offset: int, limit: int) -> Page:
        """The LoRAs that fit what was typed, best first; all, in the host's order, if nothing was."""
        names = host.lora_names()
        self._read_all(names)
        found = self._search(Query(query), names)
        here = found[offset : offset + min(limit, PAGE_LIMIT)]
        return Page(len(found), offset, tuple(filter(None, map(self.card, here))))

    def card(self, name: str) -> Card | None:
        """What is known of a LoRA under the host's spelling of its name; None if there is no such file."""
        path = host.listed_path(name)
        stamp = _stamp(path) if path else None
        if path is None or stamp is None:
            return None
        held = self._cards.get(name)
        if held is None or held[0] != stamp:
            held = stamp, self._read(name, path, stamp)
            self._cards[name] = held
        return held[1]

    def preview(self, name: str) -> Preview | None:
        """The picture beside a listed LoRA."""
        path = host.listed_path(name)
        return self.previews.find(path) if path else None

    def _read(self, name: str, path: Path, stamp: Sequence[int]) -> Card:
        preview = self.previews.find(path)
        problem, metadata = "", {}
        try:
            metadata = host.metadata_of(path)
        except RackError as error:
            problem = str(error)
        return Card(
            name,
            folder=str(PurePosixPath(_posix(name)).parent).removeprefix("."),
            title=metadata.get("modelspec.title", ""),
            family=metadata.get("modelspec.architecture", "").partition("/")[0],
            words=trigger_words(path, metadata),
            source="",
            size=stamp[0],
            modified_s=stamp[1] // 10**9,
            preview=preview.version if preview else "",
            problem=problem,
        )

    def _search(self, query: Query, names: Sequence[str]) -> list[str]:
        if query.is_empty:
            return list(names)
        scored = ((query.score(self._fields(name)), name) for name in names)
        return [name for score, name in sorted(scored, key=lambda pair: -pair[0]) if score > 0]

    def _fields(self, name: str) -> Iterable[tuple[str, float]]:
        held = self._cards.get(name)
        return held[1].fields if held else _name_fields(name)

    def _read_all(self, names: Sequence[str]) -> None:
        with self._lock:
            if self._reader is not None or not names:
                return
            self._reader = threading.Thread(
                target=lambda: [self.card(name) for name in names], name="LoRA Rack: reading", daemon=True
            )
            self._reader.start()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status, folder = path.stat(), path.parent.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, folder.st_mtime_ns


def _name_fields(name: str) -> tuple[tuple[str, float], tuple[str, float]]:
    path = _posix(name).casefold()
    return (PurePosixPath(path).stem, 1.0), (path, 0.6)


def _posix(name: str) -> str:
    return name.replace("\\", "/")
