"""The index's tables in SQLite: safe between threads and processes, and never a reason to stop.

What it holds can all be read again, so a damaged file is made anew, and where nothing can be written the
tables live in memory. Where another program holds the file, they do so for a while: nobody waits for it. All
of that is said in `notes`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

_SCHEMA_VERSION = 2
_BUSY_S = 1.5  # how long a lock of another program is waited for
_RETRY_S = 30.0  # how long the file is left alone after that
_SCHEMA = """
create table files (path blob primary key, state text not null, facts text not null);
create table aliases (alias text not null, path blob not null);
create table hashes (hash text not null, kind text not null, source text not null, path blob not null,
                     content text not null);
create index aliases_alias on aliases (alias);
create index aliases_path on aliases (path);
create index hashes_hash on hashes (hash);
create index hashes_path on hashes (path);
"""
_STATEMENTS = tuple(filter(None, map(str.strip, _SCHEMA.split(";"))))
_TABLES = ("files", "aliases", "hashes")

# What SQLite says (sqlite3_errstr and parse errors): Python 3.10 tells no codes.
_LOCKED = ("locked", "busy")
_OTHER_TABLES = ("no such", "has no column", "columns but", "malformed", "already exists", "use DROP")
_MOST_ATTEMPTS = 3

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Store:
    """One connection, used by one thread at a time; each piece of work is a transaction of its own."""

    def __init__(self, database: Path | None, tell: Callable[[str], None] | None = None) -> None:
        self._database = database
        self._tell = tell
        self._lock = threading.RLock()
        self._notes: list[str] = []
        self._connection: sqlite3.Connection | None = None
        self._stand_in: sqlite3.Connection | None = None  # in memory, while the file is locked
        self._locked_until = 0.0
        self._schema = -1  # the tables that were found right

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: that the index was damaged, or cannot be kept."""
        return tuple(self._notes)

    def run(self, work: Work[T]) -> T:
        """Do a piece of work, which may be done twice: again on fresh tables if these are damaged."""
        with self._lock:
            for _ in range(_MOST_ATTEMPTS):
                try:
                    return self._attempt(work)
                except sqlite3.DatabaseError as error:
                    self._recover(error)
                except UnicodeDecodeError as error:  # in SQLite's own message, which names what is damaged
                    self._recover(sqlite3.DatabaseError(f"a name in it is no text ({error.reason})"))
            return self._attempt(work)

    def close(self) -> None:
        """Let go of the file. The next piece of work opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, work: Work[T]) -> T:
        with _transaction(self._current()) as connection:
            (schema,) = connection.execute("pragma schema_version").fetchone()
            if schema != self._schema:  # another connection has been used, or another program was here
                _create(connection)
                (self._schema,) = connection.execute("pragma schema_version").fetchone()
            return work(connection)

    def _current(self) -> sqlite3.Connection:
        if time.monotonic() < self._locked_until:
            if self._stand_in is None:
                self._stand_in, self._schema = self._open(None), -1
            return self._stand_in
        if self._stand_in is not None:
            self._stand_in.close()
            self._stand_in = None
            self._schema = -1
        if self._connection is None:
            self._connection, self._schema = self._open(self._database), -1
        return self._connection

    def _open(self, database: Path | None) -> sqlite3.Connection:
        target: Path | str = ":memory:"
        if database is not None:
            with contextlib.suppress(OSError):  # SQLite's own error follows, and says the same
                database.parent.mkdir(parents=True, exist_ok=True)
            target = database
        connection = sqlite3.connect(target, _BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            # A loss of power may cost the last rows, which are read again; it never damages the file.
            connection.execute("pragma synchronous = normal")
        except (sqlite3.Error, UnicodeDecodeError):
            connection.close()
            raise
        return connection

    def _recover(self, error: sqlite3.DatabaseError) -> None:
        """Make the next attempt a likelier one."""
        text = str(error)
        if not isinstance(error, sqlite3.OperationalError) or any(said in text for said in _OTHER_TABLES):
            self._rebuild(error)
        elif any(said in text for said in _LOCKED):
            self._note(f"{self._database} is in use by another program; for a while memory takes its place")
            self._locked_until = time.monotonic() + _RETRY_S
        else:
            self._go_to_memory(error)

    def _rebuild(self, error: sqlite3.DatabaseError) -> None:
        self.close()
        if self._database is None:
            raise error
        try:
            for ending in ("", "-journal"):
                self._database.with_name(self._database.name + ending).unlink(missing_ok=True)
        except OSError as refused:
            self._go_to_memory(refused)
            return
        self._note(f"{self._database} was damaged ({error}) and is rebuilt: all files are read again")

    def _go_to_memory(self, error: Exception) -> None:
        self.close()
        if self._database is None:
            raise error
        self._note(
            f"{self._database} cannot be used ({error}): what is read of LoRA files is kept until the end of "
            "this run only. Make its folder writable"
        )
        self._database = None

    def _note(self, text: str) -> None:
        if text in self._notes:
            return
        self._notes.append(text)
        if self._tell is not None:
            self._tell(text)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    # "immediate": two writers wait for each other here rather than fail half way.
    connection.execute("begin immediate")
    try:
        yield connection
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables, over those of another version and over what somebody else has made of them."""
    (version,) = connection.execute("pragma user_version").fetchone()
    found = _objects(connection)
    if version == _SCHEMA_VERSION and found == _expected():
        return
    for kind, name, _ in found:
        if kind in ("table", "view"):
            connection.execute(f"drop {kind} {name}")
    for statement in _STATEMENTS:
        connection.execute(statement)
    connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")


Objects = list[tuple[str, str, str | None]]  # kind, name, and the statement that made it


def _objects(connection: sqlite3.Connection) -> Objects:
    names = ", ".join(f"'{name}'" for name in _TABLES)
    wanted = f"select type, name, sql from sqlite_master where tbl_name in ({names}) order by type, name"
    return connection.execute(wanted).fetchall()


@lru_cache(maxsize=1)
def _expected() -> Objects:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement)
        return _objects(connection)
