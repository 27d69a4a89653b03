"""A cache bounded in bytes, safe to share between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast


class Held(Protocol):
    """A value a cache can hold."""

    @property
    def size(self) -> int:
        """Bytes of memory the value keeps alive."""
        ...


V = TypeVar("V", bound=Held)


@dataclass(frozen=True)
class CacheUse:
    """What a cache holds and how often it helped."""

    bytes_held: int
    bytes_allowed: int
    entries: int
    hits: int
    misses: int


@dataclass(eq=False)
class _Turn:
    """Whose turn it is to make the value of one key."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    threads: int = 0


class ByteCache:
    """Keeps the values used last, as many as fit into `max_bytes`.

    A value larger than the whole cache is handed out and not kept. Keys say what kind of value is theirs:
    whoever shares a cache must not give one key to values of two kinds.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, Held] = OrderedDict()
        self._held = 0
        self._hits = 0
        self._misses = 0
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of `key`, made by `make` when it is not held; errors of `make` pass through.

        Threads that want the same value make it once; those that want another do not wait for it.
        """
        with self._turn(key):
            with self._lock:
                if key in self._values:
                    self._hits += 1
                    self._values.move_to_end(key)
                    return cast(V, self._values[key])
                self._misses += 1
            value = make()
            with self._lock:
                self._keep(key, value)
            return value

    def discard(self, unwanted: Callable[[Hashable], bool]) -> None:
        """Forget every key for which `unwanted` is true."""
        with self._lock:
            for key in [key for key in self._values if unwanted(key)]:
                self._held -= self._values.pop(key).size

    @property
    def use(self) -> CacheUse:
        """A snapshot for the report."""
        with self._lock:
            return CacheUse(self._held, self.max_bytes, len(self._values), self._hits, self._misses)

    @contextmanager
    def _turn(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(key, _Turn())
            turn.threads += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.threads -= 1
                if turn.threads == 0:
                    del self._turns[key]

    def _keep(self, key: Hashable, value: Held) -> None:
        if key in self._values:  # made by `make` itself on the way
            self._held -= self._values.pop(key).size
        self._values[key] = value
        self._held += value.size
        while self._held > self.max_bytes and self._values:
            _, dropped = self._values.popitem(last=False)
            self._held -= dropped.size
