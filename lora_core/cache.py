"""Caches that are bounded, in bytes or in number, and safe to share between threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, cast


class Held(Protocol):
    """A value a cache can hold."""

    @property
    def size(self) -> int:
        """Bytes of memory the value keeps alive."""
        ...


V = TypeVar("V", bound=Held)
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True)
class CacheUse:
    """What a cache holds and how often it helped."""

    bytes_held: int
    bytes_allowed: int
    entries: int
    hits: int
    misses: int


@dataclass(frozen=True, eq=False)
class _Kept:
    """A value, its bytes when it was made, and the keys of what it keeps alive besides."""

    value: Held
    size: int
    needs: frozenset[Hashable]


@dataclass(eq=False)
class _Making:
    """Whose turn it is to make the value of one key."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    threads: int = 0


class ByteCache:
    """Keeps the values used last, as many as fit into `max_bytes`.

    A value larger than the whole cache is handed out and not kept, and no other makes room for it. A value
    that holds on to others goes with them: their memory is theirs to count. Keys say what kind of value is
    theirs: whoever shares a cache must not give one key to values of two kinds.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._values: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._held = 0
        self._hits = 0
        self._misses = 0
        self._turns: dict[Hashable, _Making] = {}
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], V], needs: Collection[Hashable] = ()) -> V:
        """The value of `key`, made by `make` when it is not held; errors of `make` pass through.

        `needs` are the keys of the values it holds on to. It is kept only as long as all of them are.
        Threads that want the same value make it once; those that want another do not wait for it.
        """
        with self._turn(key):
            with self._lock:
                if key in self._values:
                    self._hits += 1
                    self._values.move_to_end(key)
                    return cast(V, self._values[key].value)
                self._misses += 1
            value = make()
            with self._lock:
                self._keep(key, _Kept(value, value.size, frozenset(needs)))
            return value

    def discard(self, unwanted: Callable[[Hashable], bool]) -> None:
        """Forget every key for which `unwanted` is true."""
        with self._lock:
            for key in [key for key in self._values if unwanted(key)]:
                self._drop(key)

    @property
    def use(self) -> CacheUse:
        """A snapshot for the report."""
        with self._lock:
            return CacheUse(self._held, self.max_bytes, len(self._values), self._hits, self._misses)

    @contextmanager
    def _turn(self, key: Hashable) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(key, _Making())
            turn.threads += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.threads -= 1
                if turn.threads == 0:
                    del self._turns[key]

    def _keep(self, key: Hashable, kept: _Kept) -> None:
        self._drop(key)  # where `make` itself has made it on the way
        if kept.size > self.max_bytes or not kept.needs <= self._values.keys():
            return
        self._values[key] = kept
        self._held += kept.size
        while self._held > self.max_bytes:
            self._drop(next(iter(self._values)))

    def _drop(self, key: Hashable) -> None:
        """Forget a value, if it is held, and those that need it."""
        if key in self._values:
            self._held -= self._values.pop(key).size
            for other in [other for other, kept in self._values.items() if key in kept.needs]:
                self._drop(other)


class Recent(Generic[K, T]):
    """The values that were put or read last, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> T | None:
        """The value of `key`, None where it is not held."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: T) -> None:
        """Hold a value, in the place of another of the same key."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
