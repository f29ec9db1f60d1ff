"""What is made once and may be asked for again: kept within a number of bytes, and given back when nobody asks."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, the least lately used dropped first. For any thread.

    Args:
        limit: bytes kept.
        size: how many bytes a value takes.
        least: so many values are kept however large they are.
    """

    def __init__(self, limit: int, size: Callable[[V], int], *, least: int = 0) -> None:
        self._limit, self._size, self._least = limit, size, least
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.num_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value of a key, if it is kept."""
        with self._lock:
            found = self._values.pop(key, None)
            if found is None:
                return None
            self._values[key] = found[0], time.monotonic()
            return found[0]

    def put(self, key: K, value: V) -> None:
        """Keep a value."""
        with self._lock:
            self._drop(key)
            self._values[key] = value, time.monotonic()
            self.num_bytes += self._size(value)
            while self.num_bytes > self._limit and len(self._values) > self._least:
                self._drop(next(iter(self._values)))

    def expire(self, before: float) -> bool:
        """Drop what was last asked for before a time (`time.monotonic`); whether that was anything."""
        with self._lock:
            old = [key for key, (_, used) in self._values.items() if used < before]
            for key in old:
                self._drop(key)
        return bool(old)

    def _drop(self, key: K) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self.num_bytes -= self._size(found[0])
