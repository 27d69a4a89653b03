"""What sites answered, kept for a day, so that nobody is asked the same twice."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..errors import BadJson
from ..untrusted import read_json
from .candidates import Candidate, Licence

_DAY_S = 24 * 3600.0
_SCHEMA = """
create table if not exists answers (
    site text, reference text, at real, found text, primary key (site, reference)
)
"""
_BUSY_S = 1.0


class Answers:
    """Candidates by site and reference. `database` is the file to keep them in; None keeps them in memory.

    May be shared by threads, and its file by processes. A file that cannot be used is done without.
    """

    def __init__(self, database: Path | None, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._db = _open(database)

    def get(self, site: str, reference: str) -> tuple[Candidate, ...] | None:
        """A site's answer of the last day; None where it has to be asked."""
        select = "select at, found from answers where site = ? and reference = ?"
        try:
            with self._lock:
                row = self._db.execute(select, (site, reference)).fetchone()
            if row is None or not 0 <= self._now() - row[0] < _DAY_S:
                return None
            return tuple(_from_json(item) for item in read_json(row[1]))
        except (sqlite3.Error, BadJson, ValueError, TypeError, KeyError):
            return None

    def put(self, site: str, reference: str, found: Sequence[Candidate]) -> None:
        """Keep an answer; older ones of any reference go."""
        row = (site, reference, self._now(), json.dumps([asdict(candidate) for candidate in found]))
        try:
            with self._lock, self._db:
                self._db.execute("delete from answers where at < ?", (self._now() - _DAY_S,))
                self._db.execute("insert or replace into answers values (?, ?, ?, ?)", row)
        except sqlite3.Error:
            return  # the next look-up asks again

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()


def _open(database: Path | None) -> sqlite3.Connection:
    try:
        if database is not None:
            database.parent.mkdir(parents=True, exist_ok=True)
            return _connect(database)
    except (OSError, sqlite3.Error):
        pass  # memory will do for as long as the program runs
    return _connect(":memory:")


def _connect(place: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(place, timeout=_BUSY_S, check_same_thread=False)
    try:
        with db:
            db.execute(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _from_json(item: dict[str, object]) -> Candidate:
    values = dict(item)
    licence = values.pop("licence")
    assert isinstance(licence, dict)
    words = values.pop("trigger_words")
    assert isinstance(words, list)
    return Candidate(
        **values,  # type: ignore[arg-type]
        licence=Licence(licence["name"], tuple(licence["forbids"])),
        trigger_words=tuple(words),
    )
