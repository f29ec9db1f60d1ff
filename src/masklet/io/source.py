"""Base class of recorded frame sources: index checks, iteration with read-ahead, closing."""

from __future__ import annotations

import math
import operator
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from masklet.errors import FrameRangeError, MediaError
from masklet.io.readahead import read_ahead
from masklet.types import RgbImage, Size


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The physical scale of a recording, as far as its file tells.

    Attributes:
        pixel_size: (height, width) of a pixel in ``unit``, or None.
        unit: of ``pixel_size``, such as "µm".
        frame_interval: seconds from one frame to the next, or None where frames are not moments or no interval is told.
    """

    pixel_size: tuple[float, float] | None = None
    unit: str = "µm"
    frame_interval: float | None = None


@dataclass(frozen=True, kw_only=True)
class GeoReference:
    """Where pixels lie on a map.

    Attributes:
        crs: coordinate reference system as well-known text (WKT).
        transform: (a, b, c, d, e, f) with x = a column + b row + c and y = d column + e row + f; column and row
            are 0 at the outer corner of the first pixel.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


READ_AHEAD_BYTES = 64 * 2**20
"""What the read-ahead of one iterator may hold."""

READ_AHEAD_FRAMES = 8


class MediaWarning(UserWarning):
    """Media was read, but not all that its header promises."""


def checked_rate(fps: float | None) -> float | None:
    """Frames per second as a caller gave them; `MediaError` where that is no rate."""
    if fps is not None and not (0 < fps <= 1000 and math.isfinite(fps)):
        raise MediaError(f"expected more than 0 and at most 1000 frames per second, got {fps}")
    return fps


S = TypeVar("S", bound="RecordedSource")


class RecordedSource(ABC):
    """A `FrameSource` with a known end: any frame by its index, iteration as often as wanted, from several threads.

    Attributes:
        path: the file or folder, or None.
        size: (height, width) of every frame, as displayed.
        fps: nominal frames per second, or None.
        time_base: the unit the source counts time in, in seconds, or None where it has no clock of its own.
        frame_names: of the frames, such as the files of a folder; empty where they have none.
        calibration: physical size of pixels and time between frames, or None.
        georeference: place on a map, or None.
        cache_bytes: what frames by index may keep of decoded pictures; may be set where the source keeps any.
    """

    path: Path | None = None
    time_base: Fraction | None = None
    frame_names: Sequence[str] = ()
    calibration: Calibration | None = None
    georeference: GeoReference | None = None
    cache_bytes: int = 0

    def __init__(self, name: str, size: Size, fps: float | None) -> None:
        self.name = name
        self.size = size
        self.fps = fps
        self._lock = threading.RLock()
        self._iterators: weakref.WeakSet[Generator[RgbImage]] = weakref.WeakSet()
        self._closed = False

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame in seconds, on the source's own clock; empty where there is no clock.

        Of a source that holds no times, frame index over ``fps`` where that is known.
        """
        return () if self.fps is None else tuple(index / self.fps for index in range(len(self)))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _read(self, index: int) -> RgbImage:
        """The frame at a checked index; never called by two threads at a time."""

    @abstractmethod
    def _stream(self) -> Generator[RgbImage]:
        """All frames in order, with resources of its own; runs in the read-ahead thread."""

    def _release(self) -> None:  # noqa: B027  most sources keep nothing open
        """Give back what is open."""

    def __getitem__(self, index: int) -> RgbImage:
        """The frame at ``index``, a fresh array; negative indices count from the end.

        Raises:
            FrameRangeError: there is no such frame.
            MediaError: the frame cannot be read, or the source is closed.
        """
        with self._lock:
            self._check_open()
            return self._read(self.checked(index))

    def checked(self, index: int) -> int:
        """``index`` counted from the start; `FrameRangeError` unless it is a whole number and lies in the video."""
        count = len(self)
        try:
            index = operator.index(index)
        except TypeError:
            raise FrameRangeError(f"frames are counted in whole numbers, got {index!r}") from None
        if not -count <= index < count:
            raise FrameRangeError(f"frame {index} is outside {self.name}, which has {count} frames")
        return index % count

    def __iter__(self) -> Iterator[RgbImage]:
        self._check_open()
        height, width = self.size
        depth = max(1, min(READ_AHEAD_FRAMES, READ_AHEAD_BYTES // (height * width * 3)))
        frames = read_ahead(self._stream, depth)
        self._iterators.add(frames)
        return frames

    def _check_open(self) -> None:
        if self._closed:
            raise MediaError(f"{self.name} is closed")

    def close(self) -> None:
        """End every iterator with its thread and close what is open; closing twice is harmless."""
        self._closed = True
        for frames in list(self._iterators):
            frames.close()
        with self._lock:
            self._release()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
