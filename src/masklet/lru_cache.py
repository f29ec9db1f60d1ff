"""A least-recently-used cache bounded by bytes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Values by key, up to a number of bytes; the least recently used go first. Thread-safe.

    Args:
        limit: bytes, or a function that returns the present limit.
        size: bytes of a value.
        min_values: number of most recent values that stay whatever their size.
        on_drop: called with every value that leaves the cache.
    """

    def __init__(
        self,
        limit: int | Callable[[], int],
        size: Callable[[V], int],
        *,
        min_values: int = 0,
        on_drop: Callable[[V], None] = lambda value: None,
    ) -> None:
        self._limit, self._size, self._min_values, self._on_drop = limit, size, min_values, on_drop
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None, and mark it as used now."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values[key] = found[0], time.monotonic()
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Store a value in place of an older one and drop what exceeds the limit."""
        with self._lock:
            self._drop(key)
            self._values[key] = value, time.monotonic()
            self.num_bytes += self._size(value)
            limit = self._limit if isinstance(self._limit, int) else self._limit()
            while self.num_bytes > limit and len(self._values) > self._min_values:
                self._drop(next(iter(self._values)))

    def drop(self, key: K) -> None:
        """Remove a key, if it is there."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            for key in list(self._values):
                self._drop(key)

    def expire(self, before: float) -> bool:
        """Drop values last used before a time (`time.monotonic`) and return whether there were any."""
        with self._lock:
            old = [key for key, (_, used) in self._values.items() if used < before]
            for key in old:
                self._drop(key)
        return bool(old)

    def _drop(self, key: K) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self.num_bytes -= self._size(found[0])
            self._on_drop(found[0])
