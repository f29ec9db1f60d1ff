"""Writing behind: order, errors, Ctrl-C, bounds, and that the thread always ends."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.io import RleWriter, Writer, read_rle
from masklet.io.writer import MAX_PENDING, AsyncWriter
from masklet.types import FrameMasks, RgbImage

PICTURE = np.zeros((4, 6, 3), np.uint8)


def masks(index: int) -> FrameMasks:
    mask = np.zeros((1, 4, 6), bool)
    mask[0, index % 4, : 1 + index % 6] = True
    return FrameMasks(index, (1,), mask, np.ones(1, np.float32), np.ones(1, np.float32))


class Noting(Writer):
    """Notes what comes; waits for a gate, and fails at a frame."""

    def __init__(self, path: Path, *, gate: threading.Event | None = None, fails_at: int = -1) -> None:
        super().__init__(path)
        self.seen: list[int] = []
        self.gate = gate
        self.fails_at = fails_at

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if self.gate is not None:
            self.gate.wait()
        if masks.frame_index == self.fails_at:
            raise OSError(28, "No space left on device")
        self.seen.append(masks.frame_index)

    def _complete(self) -> None:
        self._output.path.write_text("done")


def test_every_writer_gets_every_frame_in_order(tmp_path: Path) -> None:
    before = threading.active_count()
    with RleWriter(tmp_path / "a.json") as first, Noting(tmp_path / "b") as second:
        with AsyncWriter([first, second]) as behind:
            for index in range(20):
                behind.write(PICTURE, masks(index))
        assert second.seen == list(range(20))
        assert first.num_frames == 20
    assert threading.active_count() == before
    written = read_rle(tmp_path / "a.json")[1].frames
    for index in range(20):
        np.testing.assert_array_equal(written[index].to_mask(), masks(index).masks[0])


def test_few_frames_wait(tmp_path: Path) -> None:
    gate, added = threading.Event(), 0
    with Noting(tmp_path / "a", gate=gate) as sink, AsyncWriter([sink]) as behind:

        def add() -> None:
            nonlocal added
            for index in range(MAX_PENDING + 2):
                behind.write(PICTURE, masks(index))
                added += 1

        caller = threading.Thread(target=add)
        caller.start()
        caller.join(0.2)
        assert caller.is_alive()
        assert added == MAX_PENDING
        gate.set()
        caller.join()
    assert sink.seen == list(range(MAX_PENDING + 2))


@pytest.mark.parametrize("frames", [MAX_PENDING + 2, 1])  # raised while frames come, and when there are no more
def test_an_error_of_a_writer_reaches_the_caller(tmp_path: Path, frames: int) -> None:
    before = threading.active_count()

    def write_all() -> None:
        with (
            RleWriter(tmp_path / "a.json") as other,
            Noting(tmp_path / "b", fails_at=0) as sink,
            AsyncWriter([other, sink]) as behind,
        ):
            for index in range(frames):
                behind.write(PICTURE, masks(index))

    with pytest.raises(OutputError, match="No space left"):
        write_all()
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


@pytest.mark.parametrize(("error", "left"), [(KeyboardInterrupt, ["a.json"]), (LookupError, [])])
def test_what_is_done_is_written_though_the_caller_fails(
    tmp_path: Path, error: type[BaseException], left: list[str]
) -> None:
    def work() -> None:
        with RleWriter(tmp_path / "a.json") as sink, AsyncWriter([sink]) as behind:
            for index in range(3):
                behind.write(PICTURE, masks(index))
            raise error

    with pytest.raises(error):
        work()
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    if left:
        assert sorted(read_rle(tmp_path / "a.json")[1].frames) == [0, 1, 2]
