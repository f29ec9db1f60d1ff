"""Frames that are already in memory, as a frame source."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
from jaxtyping import UInt8

from masklet.errors import MediaError
from masklet.io.source import RecordedSource, checked_rate
from masklet.types import RgbImage


class ArrayVideo(RecordedSource):
    """An array or list of frames as a video; the frames are not copied until they are read.

    Args:
        frames: (t, h, w, 3) uint8 RGB, or a sequence of t such frames of one size.
        fps: frames per second, or None where they have no clock.

    Raises:
        MediaError: no frames, another shape or number type, frames of different sizes, or a rate that is none.
    """

    def __init__(self, frames: UInt8[np.ndarray, "t h w 3"] | Sequence[RgbImage], *, fps: float | None = None) -> None:
        if not len(frames):
            raise MediaError("expected at least one frame, got none")
        for index, frame in enumerate(frames):
            shape, dtype = np.shape(frame), getattr(frame, "dtype", type(frame))
            if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
                raise MediaError(f"expected frames of (h, w, 3) uint8, got {shape} {dtype} at frame {index}")
            if shape != frames[0].shape:
                raise MediaError(
                    f"expected {frames[0].shape[1]}x{frames[0].shape[0]} as in frame 0, "
                    f"got {shape[1]}x{shape[0]} at frame {index}"
                )
        height, width, _ = frames[0].shape
        super().__init__("the array", (height, width), checked_rate(fps))
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def _read(self, index: int) -> RgbImage:
        return self._frames[index].copy()

    def _stream(self) -> Generator[RgbImage]:
        for frame in self._frames:
            yield frame.copy()
