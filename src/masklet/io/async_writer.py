"""Writing behind: a background thread that writes what is done while the caller works on the next frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from masklet.io.writer import Writer
from masklet.types import FrameMasks, RgbImage

BEHIND = 3
"""Frames that may wait to be written."""


class WriteBehind:
    """Several writers fed by one thread, in the order of the frames, to be used in a ``with`` block.

    Frames are written when the block is left, also by an error or Ctrl-C; the caller finishes or discards the writers
    after that. An error of a writer is raised by a later `write` or by leaving the block.

    Args:
        writers: each gets every frame.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self._pool = ThreadPoolExecutor(1, "masklet-writer")
        self._waiting: deque[Future[None]] = deque()

    def write(self, frame: RgbImage, masks: FrameMasks) -> None:
        """Add one frame with its masks; waits where the writers are too far behind.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        while len(self._waiting) >= BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._write, frame, masks))

    def _write(self, frame: RgbImage, masks: FrameMasks) -> None:
        for writer in self._writers:
            writer.write(frame, masks)

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        for written in self._waiting if kind is None else ():
            written.result()
