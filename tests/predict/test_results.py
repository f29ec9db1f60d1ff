"""Result stores: logits in memory and on disk, slots that are reused, and a full disk."""

from __future__ import annotations

import errno
import gc
import random
import tempfile
import warnings
from typing import IO, Any

import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.predict.results import LogitFile

SIDE = 4
BYTES = SIDE * SIDE * 4


def logits(value: float) -> np.ndarray:
    return np.linspace(value, value + 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)


@pytest.mark.parametrize("memory_limit", [0, 1, BYTES, 3 * BYTES, 3 * BYTES + 1, 10**9])
def test_same_values_wherever_they_are(memory_limit: int) -> None:
    store = LogitFile(memory_limit)
    rng = random.Random(0)
    expected: dict[tuple[int, int], np.ndarray] = {}
    for value in range(200):
        key = (rng.randrange(3), rng.randrange(20))
        if rng.random() < 0.3:
            store.drop(key)
            expected.pop(key, None)
        else:
            store.put({key: logits(value)})
            expected[key] = logits(value)
        assert len(store) == len(expected)
    for key in [(i, frame) for i in range(3) for frame in range(20)]:
        assert (key in store) is (key in expected)
        if key in expected:
            np.testing.assert_array_equal(store.get(key), expected[key])
        else:
            assert store.get(key) is None


def test_several_at_once() -> None:
    store = LogitFile(2 * BYTES)
    store.put({(i, 0): logits(i) for i in range(5)})
    store.put({(i, 1): logits(10 + i) for i in range(5)})
    store.put({})
    for i in range(5):
        np.testing.assert_array_equal(store.get((i, 0)), logits(i))
        np.testing.assert_array_equal(store.get((i, 1)), logits(10 + i))


class Disk:
    """Hands out temporary files and can be full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.written = 0
        self.opened: list[IO[bytes]] = []
        real = tempfile.TemporaryFile

        def open_file(**options: Any) -> IO[bytes]:
            disk, file = self, real(**options)

            class Raw:
                seek, read, close = file.seek, file.read, file.close

                def write(self, data: memoryview) -> int:
                    if disk.full:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    disk.written = max(disk.written, file.tell() + len(data))
                    return int(file.write(data[: max(len(data) // 2, 1)]))  # as much as it likes, like any raw file

            self.opened.append(file)
            return Raw()  # type: ignore[return-value]

        monkeypatch.setattr(tempfile, "TemporaryFile", open_file)


def test_slots_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    store = LogitFile(BYTES)
    for value in range(50):
        store.put({(1, value % 5): logits(value)})
    assert len(disk.opened) == 1
    assert disk.written <= 5 * BYTES
    for frame in range(5):
        np.testing.assert_array_equal(store.get((1, frame)), logits(45 + frame))


def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    store = LogitFile(2 * BYTES)
    for frame in range(4):
        store.put({(1, frame): logits(frame)})
    store.drop((1, 0))  # leaves a free slot
    disk.full = True
    for _ in range(3):
        with pytest.raises(OutputError, match="No space left"):
            store.put({(1, 8): logits(8)})
    assert (1, 8) not in store
    disk.full = False
    for frame in range(4, 8):
        store.put({(1, frame): logits(frame)})
    for frame in range(1, 8):
        np.testing.assert_array_equal(store.get((1, frame)), logits(frame))


def test_the_file_goes_with_the_store() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = LogitFile(0)
        store.put({(1, 0): logits(0)})
        store.put({(1, 1): logits(1)})
        assert store._file is not None
        file = store._file
        del store
        gc.collect()
        assert file.closed
