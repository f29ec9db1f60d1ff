"""Base class of recorded frame sources: any frame by its index, iteration with read-ahead, closing."""

from __future__ import annotations

import contextlib
import math
import operator
import queue
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from masklet.errors import FrameRangeError, MediaError
from masklet.types import RgbImage, Size

READ_AHEAD_BYTES = 64 * 2**20
"""Upper bound of the frames that one iterator decodes ahead."""

READ_AHEAD_FRAMES = 8

T = TypeVar("T")


class MediaWarning(UserWarning):
    """The media was read, but not everything that its header promises, or not as it would be displayed elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Physical scale of a recording, as far as its file stores it.

    Attributes:
        pixel_size: (height, width) of a pixel in ``unit``, or None.
        unit: of ``pixel_size``, such as "µm".
        frame_interval: seconds between frames, or None where frames are no points in time or no interval is stored.
    """

    pixel_size: tuple[float, float] | None = None
    unit: str = "µm"
    frame_interval: float | None = None


@dataclass(frozen=True, kw_only=True)
class GeoReference:
    """Location of an image on a map.

    Attributes:
        crs: coordinate reference system as well-known text (WKT).
        transform: (a, b, c, d, e, f) with x = a column + b row + c and y = d column + e row + f; column and row
            are 0 at the outer corner of the first pixel.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]


def check_fps(fps: float | None) -> float | None:
    """Return a frame rate given by the caller; `MediaError` unless it is above 0 and at most 1000."""
    if fps is not None and not (0 < fps <= 1000 and math.isfinite(fps)):
        raise MediaError(f"expected more than 0 and at most 1000 frames per second, got {fps}")
    return fps


S = TypeVar("S", bound="RecordedSource")


class RecordedSource(ABC):
    """A `FrameSource` of known length: random access and repeated iteration, from several threads.

    Attributes:
        path: the file or folder, or None.
        size: (height, width) of every frame, as displayed.
        fps: nominal frames per second, or None.
        time_base: unit of the source's timestamps in seconds, or None where it stores no times.
        frame_names: names of the frames, such as the files of a folder; empty where they have none.
        calibration: physical size of pixels and time between frames, or None.
        georeference: location on a map, or None.
        cache_bytes: upper bound of the decoded frames cached for random access; 0 where the source caches none.
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
        """Presentation time of every frame in seconds.

        Where the source stores no times it is the frame index divided by ``fps``; empty where ``fps`` is None too.
        """
        return () if self.fps is None else tuple(index / self.fps for index in range(len(self)))

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _read(self, index: int) -> RgbImage:
        """Read the frame at a valid index; never called by two threads at a time."""

    def _stream(self) -> Generator[RgbImage]:
        """Yield all frames in order; runs in the read-ahead thread, so sources that keep files open override it."""
        for index in range(len(self)):
            yield self._read(index)

    def _release(self) -> None:  # noqa: B027  most sources keep nothing open
        """Close open files."""

    def __getitem__(self, index: int) -> RgbImage:
        """Return the frame at ``index`` as a new array; negative indices count from the end.

        Raises:
            FrameRangeError: the index is not an integer or outside the video.
            MediaError: the frame cannot be read, or the source is closed.
        """
        with self._lock:
            self._check_open()
            return self._read(self.resolve_index(index))

    def resolve_index(self, index: int) -> int:
        """Return an index counted from 0; `FrameRangeError` unless it is an integer inside the video."""
        count = len(self)
        try:
            index = operator.index(index)
        except TypeError:
            raise FrameRangeError(f"expected an integer frame index, got {index!r}") from None
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
        """End all iterators and their threads and close open files; closing twice is harmless."""
        self._closed = True
        for frames in list(self._iterators):
            frames.close()
        with self._lock:
            self._release()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def read_ahead(produce: Callable[[], Generator[T]], depth: int, *, newest: bool = False) -> Generator[T]:
    """Yield the items of ``produce()``, made by a thread that is at most ``depth`` items ahead.

    The thread starts with the first item requested. It closes the inner generator and ends when the items end, when
    they raise (the exception is raised here, at its place in the sequence), or when this generator is closed or
    garbage-collected.

    Args:
        produce: starts the inner generator; runs in the thread.
        depth: length of the queue.
        newest: drop the oldest item in a full queue rather than wait for room.
    """
    ready: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def fill() -> None:
        error: BaseException | None = None
        try:
            with contextlib.closing(produce()) as items:
                for item in items:
                    if newest and ready.full():
                        with contextlib.suppress(queue.Empty):
                            ready.get_nowait()
                    ready.put(item)
                    if stop.is_set():
                        return
        except BaseException as raised:  # re-raised in the caller's thread, which can handle it
            error = raised
        ready.put(_End(error))

    thread = threading.Thread(target=fill, name="masklet-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        with contextlib.suppress(queue.Empty):  # a thread waiting for room gets it, sees `stop` and ends
            while True:
                ready.get_nowait()
        if thread is not threading.current_thread():
            thread.join()
