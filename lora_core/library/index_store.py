"""The index's tables in SQLite: safe between threads and processes, and never a reason to stop.

What it holds can all be read again, so a damaged file is made anew, and where nothing can be written the
tables live in memory. Both are said in `notes`.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

_SCHEMA_VERSION = 2
_BUSY_S = 10.0
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
_TABLES = ("files", "aliases", "hashes")

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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: that the index was damaged, or cannot be kept."""
        return tuple(self._notes)

    def run(self, work: Work[T]) -> T:
        """Do a piece of work, which may be done twice: again on fresh tables if these are damaged."""
        with self._lock:
            try:
                return self._attempt(work)
            except sqlite3.OperationalError as error:
                self._go_to_memory(error)
            except sqlite3.DatabaseError as error:
                self._rebuild(error)
            return self._attempt(work)

    def close(self) -> None:
        """Let go of the file. The next piece of work opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _attempt(self, work: Work[T]) -> T:
        if self._connection is None:
            self._connection = self._open()
        with _transaction(self._connection) as connection:
            return work(connection)

    def _open(self) -> sqlite3.Connection:
        target: Path | str = ":memory:"
        if self._database is not None:
            with contextlib.suppress(OSError):  # SQLite's own error follows, and says the same
                self._database.parent.mkdir(parents=True, exist_ok=True)
            target = self._database
        connection = sqlite3.connect(target, _BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            # A loss of power may cost the last rows, which are read again; it never damages the file.
            connection.execute("pragma synchronous = normal")
            with _transaction(connection):
                _create(connection)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

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
    """Make the tables, over those of another version."""
    (version,) = connection.execute("pragma user_version").fetchone()
    if version == _SCHEMA_VERSION:
        return
    for table in _tables(connection):
        connection.execute(f"drop table {table}")
    for statement in filter(None, map(str.strip, _SCHEMA.split(";"))):
        connection.execute(statement)
    connection.execute(f"pragma user_version = {_SCHEMA_VERSION}")


def _tables(connection: sqlite3.Connection) -> Iterable[str]:
    found = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return [name for (name,) in found if name in _TABLES]
