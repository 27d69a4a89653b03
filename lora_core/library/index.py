"""What is known of many LoRA files, kept on disk: facts, aliases and hashes.

A row holds as long as the file and the files beside it keep size and mtime. Nothing here decides which file
is meant; library.py does.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from ..errors import BrokenFile, SearchUnfinished
from ..reading import SHORTEST, FileHashes, is_match, measure
from .file_facts import NO_PROBLEM, FileFacts, from_json, read_facts, to_json
from .index_store import Store
from .listing import Listing
from .sidecars import names_beside
from .survey import Survey

Progress = Callable[[int, int], None]
"""Told (done, total), in files or in bytes; may raise to stop the work. What was done until then is kept."""

_BATCH = 100  # files in one transaction: what an interruption can lose
_FEW = 250  # rows looked up one by one rather than all at once: more than a page of a list has
_MANY = 50  # files after which rows of those that are gone are counted
_LONG_ROW = 8_000  # letters; such a row is not kept decoded
_SPARE_ROWS = 10_000  # of files that are gone; they still tell where a missing one came from


@dataclass(frozen=True)
class HashMatch:
    """A file a hash fits, and what says so: 'measured', 'header', 'sidecar' or, weakest, 'legacy'."""

    path: Path
    source: str


@dataclass(frozen=True)
class _State:
    """A file as it is on disk: `content` changes with the file, `whole` with the files beside it too."""

    content: str
    whole: str


class Index:
    """Facts of LoRA files by path. `database` is the file to keep them in; None keeps them in memory.

    May be shared by threads, and its file by processes. `tell` is given each of the `notes` as it is made.
    """

    def __init__(self, database: Path | None, tell: Callable[[str], None] | None = None) -> None:
        self._store = Store(database, tell)
        self.survey: Survey | None = None  # the last whole look at the files, kept by library.py

    @property
    def notes(self) -> tuple[str, ...]:
        """What became of a damaged or unwritable index, for a person to read."""
        return self._store.notes

    def close(self) -> None:
        """Let go of the file; the index opens it again when it is used again."""
        self._store.close()

    def refresh(
        self, paths: Iterable[Path], at_most: int | None = None, progress: Progress | None = None
    ) -> None:
        """Read what is new or has changed among these files; the rest is not opened.

        Raises SearchUnfinished, having read nothing, when that would be more than `at_most` files.
        """
        self._refresh(paths, at_most, progress)

    def facts_of(self, paths: Sequence[Path], progress: Progress | None = None) -> Mapping[Path, FileFacts]:
        """Facts of the files that exist."""
        existing = self._refresh(paths, None, progress)
        rows = self._rows("facts", existing)
        return {path: _decoded(rows[path]) or read_facts(path) for path in paths if path in rows}

    def with_alias(self, alias: str, paths: Collection[Path]) -> list[Path]:
        """The files among `paths` whose trainer called them `alias`. Refresh first."""
        rows = self._store.run(
            lambda db: db.execute("select path from aliases where alias = ?", (_text(alias),)).fetchall()
        )
        found = {_path(path) for (path,) in rows}
        return [path for path in paths if path in found]

    def unread(self, paths: Collection[Path]) -> list[Path]:
        """The files among `paths` whose header could not be read. Refresh first."""
        problems = self._store.run(
            lambda db: db.execute(
                "select path from files where instr(facts, ?) = 0", (NO_PROBLEM,)
            ).fetchall()
        )
        found = {_path(path) for (path,) in problems}
        return [path for path in paths if path in found]

    def matching(self, wanted: str, paths: Collection[Path]) -> list[HashMatch]:
        """The files among `paths` the hash fits as far as is known; `wanted` is as `read_hash` gives it.

        Files found so are looked at again, the others are not: refresh first where new ones may be there.
        """
        allowed = set(paths)
        candidates = {path for path, *_ in self._hash_rows(wanted) if path in allowed}
        if not candidates:
            return []
        candidates &= {*self._refresh(candidates, None, None)}
        best: dict[Path, str] = {}
        for path, kind, source in self._hash_rows(wanted):
            if path in candidates and self._counts(path, source):
                source = "legacy" if kind == "legacy" else source
                best[path] = max(best.get(path, source), source, key=_SOURCES.index)
        return [HashMatch(path, best[path]) for path in paths if path in best]

    def claimants(self, wanted: str) -> list[Path]:
        """Every file the hash fitted when it was last looked at, whatever has become of it."""
        return [*dict.fromkeys(path for path, *_ in self._hash_rows(wanted))]

    def pages_of(self, wanted: str) -> list[str]:
        """Where files of this hash came from, those that are gone included."""
        rows = self._rows("facts", self.claimants(wanted))
        facts = [found for text in rows.values() if (found := _decoded(text)) is not None]
        return [*dict.fromkeys(found.about.page for found in facts if found.about.page)]

    def measured(self, path: Path) -> FileHashes | None:
        """The hashes of a file's bytes if they have been computed and it has not changed since."""
        rows = self._store.run(
            lambda db: db.execute(
                "select kind, hash from hashes where path = ? and source = 'measured' and content = ?",
                (os.fsencode(path), _content(path)),
            ).fetchall()
        )
        found = dict(rows)
        if "sha256" not in found:
            return None
        return FileHashes(found["sha256"], found.get("tensors", ""), found.get("autov1", ""))

    def unmeasured(self, paths: Iterable[Path]) -> list[Path]:
        """The files of which a hash may still be unknown. Refresh first.

        A file whose header and sidecars claim the hashes of the whole and of the tensors is not among them.
        """
        select = "select path, kind from hashes where kind in ('sha256', 'tensors')"
        rows = self._store.run(lambda db: db.execute(select).fetchall())
        known = {(path, kind) for path, kind in rows}
        kinds = ("sha256", "tensors")
        return [path for path in paths if any((os.fsencode(path), kind) not in known for kind in kinds)]

    def measure(self, path: Path, progress: Callable[[int], None] | None = None) -> FileHashes:
        """The hashes of a file's bytes, computed where they are not known: the whole file is read.

        Raises BrokenFile when it cannot be read or changes meanwhile.
        """
        known = self.measured(path)
        if known is not None:
            return known
        content = _content(path)
        found = measure(path, progress)
        if not content or _content(path) != content:
            raise BrokenFile(path, "changed while it was being read", "Queue again once it is complete")
        self._store.run(partial(_write_measured, path=path, content=content, found=found))
        return found

    def _refresh(
        self, paths: Iterable[Path], at_most: int | None, progress: Progress | None
    ) -> Collection[Path]:
        """Bring the rows up to date and return the files that exist."""
        found = _by_folder(paths)
        known = self._rows("state", found)
        stale = [path for path, (state, _) in found.items() if known.get(path) != state.whole]
        if at_most is not None and len(stale) > at_most:
            raise SearchUnfinished(f"{len(stale)} LoRA files are new; reading their headers takes a while")
        for start in range(0, len(stale), _BATCH):
            batch: list[tuple[Path, _State, FileFacts]] = []
            for done, path in enumerate(stale[start : start + _BATCH], start=start + 1):
                state, listing = found[path]
                batch.append((path, state, read_facts(path, listing)))
                if progress is not None:
                    progress(done, len(stale))
            self._store.run(partial(_write, batch=batch))
        if len(found) > _MANY:
            self._store.run(partial(_forget, kept=found))
        return found

    def _rows(self, column: str, paths: Collection[Path]) -> dict[Path, str]:
        if len(paths) > _FEW:
            rows = self._store.run(lambda db: db.execute(f"select path, {column} from files").fetchall())
            wanted = set(paths)
            return {found: text for path, text in rows if (found := _path(path)) in wanted}
        select = f"select {column} from files where path = ?"
        keys = [(path, os.fsencode(path)) for path in paths]
        texts = self._store.run(lambda db: [db.execute(select, (key,)).fetchone() for _, key in keys])
        return {path: row[0] for (path, _), row in zip(keys, texts, strict=True) if row is not None}

    def _hash_rows(self, wanted: str) -> list[tuple[Path, str, str]]:
        """(path, kind, source) of the hashes that fit."""
        shorter = [wanted[:length] for length in range(SHORTEST, len(wanted))]
        marks = ", ".join("?" * len(shorter))
        select = (
            f"select path, kind, source, hash from hashes where hash between ? and ? or hash in ({marks})"
        )
        # 'g' follows the last hex digit, so this is every hash that begins with the wanted one.
        values = (wanted, wanted + "g", *shorter)
        rows = self._store.run(lambda db: db.execute(select, values).fetchall())
        fitting = (row[:3] for row in rows if is_match(row[1], row[3], wanted))
        return [(_path(path), kind, source) for path, kind, source in fitting]

    def _counts(self, path: Path, source: str) -> bool:
        """Measured hashes silence a sidecar's, not the header's: AutoV3 is what the header says."""
        return source != "sidecar" or self.measured(path) is None


_SOURCES = ("legacy", "sidecar", "header", "measured")  # the weakest first


def _write(db: sqlite3.Connection, batch: Sequence[tuple[Path, _State, FileFacts]]) -> None:
    for path, state, facts in batch:
        key = os.fsencode(path)
        row = (key, state.whole, json.dumps(to_json(facts)))
        db.execute("insert or replace into files values (?, ?, ?)", row)
        db.execute("delete from aliases where path = ?", (key,))
        if facts.alias:
            db.execute("insert into aliases values (?, ?)", (_text(facts.alias), key))
        outdated = "delete from hashes where path = ? and (source <> 'measured' or content <> ?)"
        db.execute(outdated, (key, state.content))
        claims = [(source, item) for source, found in facts.claims for item in found.items()]
        db.executemany(
            "insert into hashes values (?, ?, ?, ?, ?)",
            [(value, kind, source, key, state.content) for source, (kind, value) in claims],
        )


def _write_measured(db: sqlite3.Connection, path: Path, content: str, found: FileHashes) -> None:
    key = os.fsencode(path)
    db.execute("delete from hashes where path = ? and source = 'measured'", (key,))
    db.executemany(
        "insert into hashes values (?, ?, 'measured', ?, ?)",
        [(value, kind, key, content) for kind, value in found.by_kind.items()],
    )


def _forget(db: sqlite3.Connection, kept: Collection[Path]) -> None:
    """Drop the rows of files that are gone once there are too many of them."""
    (count,) = db.execute("select count(*) from files").fetchone()
    if count <= 2 * len(kept) + _SPARE_ROWS:
        return
    keys = {os.fsencode(path) for path in kept}
    gone = [(path,) for (path,) in db.execute("select path from files").fetchall() if path not in keys]
    for table in ("files", "aliases", "hashes"):
        db.executemany(f"delete from {table} where path = ?", gone)


def _by_folder(paths: Iterable[Path]) -> dict[Path, tuple[_State, Listing]]:
    """State and folder of every file that exists, each folder listed once."""
    listings: dict[Path, Listing] = {}
    found: dict[Path, tuple[_State, Listing]] = {}
    for path in paths:
        if path.parent not in listings:
            listings[path.parent] = Listing.of(path.parent)
        listing = listings[path.parent]
        state = _state_in(path, listing)
        if state is not None:
            found[path] = (state, listing)
    return found


def _state_in(path: Path, listing: Listing) -> _State | None:
    own = listing.state(path.name)
    if own is None:
        return None
    beside = [[name, *(listing.state(name) or ())] for name in names_beside(path, listing)]
    return _State(_content_text(*own), json.dumps([*own, beside]))


def _content(path: Path) -> str:
    """The state of a file alone; empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return _content_text(found.st_size, found.st_mtime_ns)


def _content_text(size: int, mtime_ns: int) -> str:
    return f"{size}:{mtime_ns}"


def _decoded(text: str) -> FileFacts | None:
    """The facts of a row; None where it holds none. Those of a page that is turned back to are kept."""
    return _read_row(text) if len(text) > _LONG_ROW else _known_row(text)


@lru_cache(maxsize=1024)
def _known_row(text: str) -> FileFacts | None:
    return _read_row(text)


def _read_row(text: str) -> FileFacts | None:
    try:
        return from_json(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _path(key: object) -> Path:
    """The path of a row; of one that is no path, in tables somebody else has written, that of no file."""
    return Path(os.fsdecode(key)) if isinstance(key, bytes | str) else Path()


def _text(value: str) -> str:
    """What SQLite can store: JSON may hold half a surrogate pair, UTF-8 may not."""
    return value.encode("utf-8", "replace").decode("utf-8")
