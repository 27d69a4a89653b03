"""The cache stays within its bytes and makes each value once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lora_core.cache import ByteCache


def test_a_value_is_made_once_and_counted() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    made: list[str] = []

    def make() -> bytes:
        made.append("a")
        return b"1234"

    assert cache.get("a", make) is cache.get("a", make)
    assert made == ["a"]
    assert (cache.use.hits, cache.use.misses, cache.use.bytes_held, cache.use.entries) == (1, 1, 4, 1)


def test_the_value_used_longest_ago_goes_first() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    for key in "abab":
        cache.get(key, lambda: b"1234")
    cache.get("a", bytes)
    cache.get("c", lambda: b"1234")  # over the bound: b was used before a
    held = {key for key in "abc" if cache.get(key, lambda: b"") == b"1234"}
    assert held == {"a", "c"}


def test_a_value_larger_than_the_cache_is_handed_out_and_not_kept() -> None:
    cache: ByteCache[str, bytes] = ByteCache(3, len)
    assert cache.get("a", lambda: b"12345") == b"12345"
    assert cache.use.bytes_held == 0


def test_an_error_leaves_nothing_behind() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: bytes(1 // 0))
    assert cache.get("a", lambda: b"1") == b"1"


def test_discarding_gives_the_bytes_back() -> None:
    cache: ByteCache[str, bytes] = ByteCache(10, len)
    cache.get("a", lambda: b"1234")
    cache.get("b", lambda: b"12")
    cache.discard(lambda key: key == "a")
    assert (cache.use.bytes_held, cache.use.entries) == (2, 1)


def test_threads_share_one_value() -> None:
    cache: ByteCache[int, bytes] = ByteCache(100, len)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: cache.get(1, lambda: bytes(10)), range(100)))
    assert all(value is values[0] for value in values)
    assert cache.use.misses == 1
