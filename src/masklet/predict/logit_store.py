"""Low-resolution mask logits of a whole video: the newest in memory, the rest in a temporary file."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
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

    def put(self, key: Key, logits: Float32[np.ndarray, "s s"]) -> None:
        """Keep logits, in place of older ones of the same key.

        Raises:
            OutputError: the temporary folder is full.
        """
        self.drop(key)
        self._newest[key] = logits
        while len(self._newest) * logits.nbytes > self._limit and len(self._newest) > 1:
            oldest, value = self._newest.popitem(last=False)
            self._write(oldest, value)

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
        slot = self._free.pop() if self._free else len(self._slots)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="masklet-")  # noqa: SIM115 - lives as long as the store
            self._file.seek(slot * logits.nbytes)
            self._file.write(logits.tobytes())
        except OSError as error:
            raise OutputError(
                f"no room for tracking state in the temporary folder {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        self._slots[key] = slot
