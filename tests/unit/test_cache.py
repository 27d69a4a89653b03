"""The cache stays within its bytes and makes each value once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lora_core.cache import ByteCache


class Text(str):
    """A value as large as it is long."""

    @property
    def size(self) -> int:
        return len(self)


def test_a_value_is_made_once_and_counted() -> None:
    cache = ByteCache(10)
    made: list[str] = []

    def make() -> Text:
        made.append("a")
        return Text("1234")

    assert cache.get("a", make) is cache.get("a", make)
    assert made == ["a"]
    assert (cache.use.hits, cache.use.misses, cache.use.bytes_held, cache.use.entries) == (1, 1, 4, 1)


def test_the_value_used_longest_ago_goes_first() -> None:
    cache = ByteCache(10)
    for key in "abab":
        cache.get(key, lambda: Text("1234"))
    cache.get("a", Text)
    cache.get("c", lambda: Text("1234"))  # over the bound: b was used before a
    held = {key for key in "abc" if cache.get(key, Text) == "1234"}
    assert held == {"a", "c"}


def test_a_value_larger_than_the_cache_is_handed_out_and_not_kept() -> None:
    cache = ByteCache(3)
    assert cache.get("a", lambda: Text("12345")) == "12345"
    assert cache.use.bytes_held == 0


def test_no_other_value_makes_room_for_what_is_not_kept() -> None:
    cache = ByteCache(10)
    cache.get("small", lambda: Text("1234"))
    cache.get("large", lambda: Text("1" * 11))
    assert cache.get("small", Text) == "1234"


def test_a_value_goes_with_those_it_holds_on_to() -> None:
    cache = ByteCache(10)
    for forget in (
        lambda: cache.discard("file".__eq__),
        lambda: cache.get("another", lambda: Text("1" * 10)),
    ):
        cache.get("file", lambda: Text("1234"))
        cache.get("stack", Text, needs=["file"])
        cache.get("model's stack", Text, needs=["stack"])
        assert cache.use.entries == 3
        forget()
        assert all(cache.get(key, lambda: Text("new")) == "new" for key in ("stack", "model's stack"))
        cache.discard(lambda key: True)


def test_a_value_is_not_kept_without_those_it_holds_on_to() -> None:
    cache = ByteCache(3)
    cache.get("file", lambda: Text("1234"))
    assert cache.get("stack", lambda: Text("1"), needs=["file"]) == "1"
    assert cache.use.entries == 0


def test_an_error_leaves_nothing_behind() -> None:
    cache = ByteCache(10)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: Text(1 // 0))
    assert cache.get("a", lambda: Text("1")) == "1"


def test_discarding_gives_the_bytes_back() -> None:
    cache = ByteCache(10)
    cache.get("a", lambda: Text("1234"))
    cache.get("b", lambda: Text("12"))
    cache.discard(lambda key: key == "a")
    assert (cache.use.bytes_held, cache.use.entries) == (2, 1)


def test_threads_share_one_value() -> None:
    cache = ByteCache(100)
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: cache.get(1, lambda: Text("0123456789")), range(100)))
    assert all(value is values[0] for value in values)
    assert cache.use.misses == 1


def test_a_value_that_takes_long_keeps_no_other_key_waiting() -> None:
    cache = ByteCache(100)
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Text:
        begun.set()
        assert go_on.wait(30)
        return Text("slow")

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(cache.get, "slow", slow)
        assert begun.wait(30)
        assert cache.get("quick", lambda: Text("quick")) == "quick"
        go_on.set()
        assert late.result(30) == "slow"
    assert cache.use.bytes_held == 9
