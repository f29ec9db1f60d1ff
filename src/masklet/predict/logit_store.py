"""Low-resolution mask logits of a whole video: the newest in memory, the rest in a temporary file."""

from __future__ import annotations

import tempfile
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import IO

import numpy as np
from jaxtyping import Float32

from masklet.errors import OutputError
from masklet.types import ObjectId

Key = tuple[ObjectId, int]
"""(object, frame index)."""

MEMORY_LIMIT = 256 * 2**20


class LogitStore:
    """Exact float32 logits by object and frame, all of one shape, in bounded memory.

    They are what a correction of an old frame starts from, and what its neighbors' memories are made of again. The
    temporary file has no name and goes with the store.

    Args:
        memory_limit: bytes kept in memory before the oldest go to the file.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT) -> None:
        self._limit = memory_limit
        self._newest: OrderedDict[Key, Float32[np.ndarray, "s s"]] = OrderedDict()
        self._slots: dict[Key, int] = {}
        self._free: list[int] = []
        self._file: IO[bytes] | None = None

    def __contains__(self, key: Key) -> bool:
        return key in self._newest or key in self._slots

    def __len__(self) -> int:
        return len(self._newest) + len(self._slots)

    def put(self, logits: Mapping[Key, Float32[np.ndarray, "s s"]]) -> None:
        """Keep logits, in place of older ones of the same keys.

        Raises:
            OutputError: the temporary folder is full. Nothing has changed then.
        """
        each = max((value.nbytes for value in logits.values()), default=0)
        while self._newest and (len(self._newest) + len(logits)) * each > self._limit:
            oldest, value = next(iter(self._newest.items()))
            self._write(oldest, value)
            del self._newest[oldest]
        for key, value in logits.items():
            self.drop(key)
            self._newest[key] = value

    def get(self, key: Key, side: int) -> Float32[np.ndarray, "s s"]:
        """The logits of a key, of shape (side, side); `KeyError` if there are none."""
        if key in self._newest:
            return self._newest[key]
        slot = self._slots[key]
        assert self._file is not None
        self._file.seek(slot * side * side * 4)
        return np.frombuffer(self._file.read(side * side * 4), np.float32).reshape(side, side).copy()

    def drop(self, key: Key) -> None:
        """Forget a key, if it is there."""
        self._newest.pop(key, None)
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._free.append(slot)

    def _write(self, key: Key, logits: Float32[np.ndarray, "s s"]) -> None:
        slot = self._free[-1] if self._free else len(self._slots)
        rest = memoryview(logits.tobytes())
        try:
            if self._file is None:  # unbuffered: a full disk speaks up here, not at some later read
                self._file = tempfile.TemporaryFile(prefix="masklet-", buffering=0)  # noqa: SIM115
                weakref.finalize(self, self._file.close)
            self._file.seek(slot * logits.nbytes)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise OutputError(
                f"no room for tracking state in the temporary folder {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        self._slots[key] = slot
        del self._free[-1:]
