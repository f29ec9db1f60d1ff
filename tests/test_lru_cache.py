"""The byte-bounded cache: eviction order, dynamic limits, expiry."""

from __future__ import annotations

import time

from masklet.lru_cache import LruCache


def contents(cache: LruCache[str, bytes], keys: str) -> list[bytes | None]:
    return [cache.get(key) for key in keys]


def test_the_least_recently_used_value_is_dropped() -> None:
    cache: LruCache[str, bytes] = LruCache(10, len)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")
    assert cache.get("a") == b"aaaa"
    cache.put("c", b"cccc")
    assert contents(cache, "abc") == [b"aaaa", None, b"cccc"]
    assert (len(cache), cache.num_bytes) == (2, 8)
    cache.put("c", b"c" * 11)  # larger than the whole cache
    assert (len(cache), cache.num_bytes) == (0, 0)


def test_some_values_stay_whatever_their_size() -> None:
    cache: LruCache[str, bytes] = LruCache(4, len, min_values=2)
    for key in "abc":
        cache.put(key, b"x" * 100)
    assert contents(cache, "abc") == [None, b"x" * 100, b"x" * 100]


def test_a_limit_may_change() -> None:
    limit = 10
    cache: LruCache[str, bytes] = LruCache(lambda: limit, len)
    cache.put("a", b"aaaa")
    cache.put("b", b"bbbb")
    limit = 5
    cache.put("c", b"c")
    assert contents(cache, "abc") == [None, b"bbbb", b"c"]


def test_values_are_dropped_cleared_and_expired() -> None:
    cache: LruCache[str, bytes] = LruCache(10, len)
    cache.put("a", b"a")
    cache.put("b", b"b")
    cache.drop("a")
    cache.drop("nothing")
    assert contents(cache, "ab") == [None, b"b"]
    assert not cache.expire(time.monotonic() - 100)
    assert cache.expire(time.monotonic() + 100)
    assert len(cache) == 0
    cache.put("a", b"a")
    cache.clear()
    assert (len(cache), cache.num_bytes) == (0, 0)


def test_values_that_leave_the_cache_are_handed_over() -> None:
    dropped: list[str] = []
    cache: LruCache[int, str] = LruCache(2, lambda _: 1, on_drop=dropped.append)
    for key, value in ((1, "a"), (2, "b"), (1, "c"), (3, "d")):
        cache.put(key, value)
    assert dropped == ["a", "b"]
    cache.drop(3)
    cache.clear()
    assert dropped == ["a", "b", "d", "c"]
    assert (len(cache), cache.num_bytes) == (0, 0)
