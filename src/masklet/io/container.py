"""Recorded videos in any container FFmpeg opens, on disk or on a web server, with exact random access."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from masklet.errors import MediaError
from masklet.io.decoder import Decoder
from masklet.io.source import MediaWarning, RecordedSource
from masklet.io.source_url import FfmpegInput, RawFormat
from masklet.io.timeline import Timeline
from masklet.types import RgbImage


class OffTimelineError(Exception):
    """The pictures that come out are not those the timeline expects; never leaves `masklet.io`."""


class Cursor:
    """Reads pictures by index; reading onward goes on decoding, what was decoded lately is kept.

    Args:
        opened: gives a decoder at the start of the stream.
        timeline: of that stream.
        cache_bytes: tells what may be kept; one picture always is.
        decoder: one already open, at the start.
    """

    def __init__(
        self,
        opened: Callable[[], Decoder],
        timeline: Timeline,
        cache_bytes: Callable[[], int],
        decoder: Decoder | None = None,
    ) -> None:
        self.timeline = timeline
        self._opened = opened
        self._decoder = decoder or opened()
        self._cache = _FrameCache(cache_bytes)
        self._pictures: Iterator[VideoFrame] = self._decoder.pictures()
        self._next = 0

    def read(self, index: int) -> RgbImage:
        """The picture at an index in range.

        Raises:
            OffTimelineError: the stream does not hold what the timeline says.
        """
        frame = self._cache.get(index)
        return self._decoder.rgb(self._decode(index) if frame is None else frame)

    def _decode(self, index: int) -> VideoFrame:
        key_place = self.timeline.key_before(index)
        start = key_place[0] if key_place else 0
        if not start <= self._next <= index:
            self._restart(index)
        try:
            return self._advance(index, counted=self.timeline.counted)
        except OffTimelineError:
            if not self.timeline.certain:
                raise
        self._reopen()  # a damaged stream may decode differently after a seek: count as the timeline was counted
        return self._advance(index, counted=True)

    def _advance(self, index: int, *, counted: bool) -> VideoFrame:
        for frame in self._pictures:
            if not counted and self.timeline.position(frame.pts) != self._next:
                break
            self._cache.put(self._next, frame)
            self._next += 1
            if self._next > index:
                return frame
        self._next = len(self.timeline)  # nothing comes after: the next read starts anew
        raise OffTimelineError

    def _restart(self, index: int) -> None:
        """Stand at the key packet before a picture: by seeking, else by reading on from the start without decoding."""
        found = self.timeline.key_before(index)
        if found is not None:
            self._next, key = found
            pictures = self._decoder.pictures_from(key)
            if pictures is None:
                self._reopen()
                self._next = found[0]
                pictures = self._decoder.pictures_at(key)
            if pictures is not None:
                self._pictures = pictures
                return
        self._reopen()

    def _reopen(self) -> None:
        self._decoder.close()
        self._decoder = self._opened()
        self._pictures = self._decoder.pictures()
        self._next = 0

    def close(self) -> None:
        """Close the decoder and forget what was kept."""
        self._decoder.close()
        self._cache = _FrameCache(lambda: 0)


class _FrameCache:
    """Decoded pictures in their own pixel format (half the bytes of RGB), the least recently used dropped first."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._used = 0
        self._frames: OrderedDict[int, VideoFrame] = OrderedDict()

    def get(self, index: int) -> VideoFrame | None:
        frame = self._frames.get(index)
        if frame is not None:
            self._frames.move_to_end(index)
        return frame

    def put(self, index: int, frame: VideoFrame) -> None:
        old = self._frames.pop(index, None)
        self._used += _bytes(frame) - (0 if old is None else _bytes(old))
        self._frames[index] = frame
        while self._used > self._limit() and len(self._frames) > 1:
            _, dropped = self._frames.popitem(last=False)
            self._used -= _bytes(dropped)


def _bytes(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


CACHE_BYTES = 128 * 2**20
"""Decoded pictures kept for reading near by and backward: about 90 of 1280x720."""


class ContainerVideo(RecordedSource):
    """A recorded video as a frame source.

    A frame's index is the ordinal of the decoded picture in the order of display; the header's count is not trusted.
    Pixels are as stored (pixels that are not square stay so), turned upright by the display matrix. ``video[i]`` seeks
    to the key frame before i and decodes forward; reading onward goes on decoding; the latest pictures are kept.

    Of a damaged or cut file the pictures that can be decoded are given, with one `MediaWarning`.

    Args:
        address: where it is.
        name: what it is called.
        cache_bytes: what frames by index may keep of decoded pictures; the latest one always is. May be set later.

    Attributes:
        address: where it is.

    Raises:
        MediaError: missing, not a video, no video in it, or no picture can be decoded.
    """

    time_base: Fraction

    def __init__(self, address: FfmpegInput, name: str, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.address = address
        decoder = Decoder(address)
        super().__init__(name, decoder.size, None if decoder.rate is None else float(decoder.rate))
        self.time_base = decoder.time_base
        self._first_decoder: Decoder | None = decoder
        self._timeline: Timeline | None = None
        self._cursor: Cursor | None = None
        self.cache_bytes = cache_bytes
        self._warned = False
        for note in decoder.notes:
            warnings.warn(f"{address.name} {note}", MediaWarning, stacklevel=3)

    def _opened(self) -> Decoder:
        return Decoder(self.address)

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame in seconds, on the container's clock (the first need not be 0)."""
        return self._known().seconds

    @property
    def pts(self) -> Sequence[int]:
        """Presentation time of every frame in units of ``time_base``; plain counting where the stream has no times."""
        return tuple(self._known().pts.tolist())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> Timeline:
        """The timeline: from the packets, which is quick, or decoded where they fall short of what the header says."""
        with self._lock:
            if self._timeline is None:
                self._check_open()
                with self._opened() as decoder:
                    for _ in decoder.packets():
                        pass
                    if decoder.complete:
                        self._timeline = decoder.timeline(decoded=False)
            return self._timeline or self._decode_all()

    def _decode_all(self) -> Timeline:
        with self._opened() as decoder:
            for _ in decoder.pictures():
                pass
            return self._learn(decoder)

    def _learn(self, decoder: Decoder) -> Timeline:
        """Take over what a pass over all pictures has seen.

        Runs in read-ahead threads too, and takes no lock: who holds it may be waiting for such a thread to end.
        """
        web = self.address.is_http
        if web and (decoder.broken or not (decoder.complete or self.address.supports_ranges())):
            raise MediaError(f"{self.address.name} broke off: {decoder.broken or 'the server does not answer'}")
        timeline = decoder.timeline(decoded=True)
        known = self._timeline
        if known is None or not np.array_equal(known.pts, timeline.pts):
            self._timeline = timeline
        if not (decoder.complete or self._warned):
            self._warned = True
            given = f"{len(timeline)} of {decoder.promised}" if decoder.promised > len(timeline) else len(timeline)
            what = "is damaged or broke off" if web else "is damaged"
            warnings.warn(
                f"{self.address.name} {what}: going on with the {given} frames that can be decoded",
                MediaWarning,
                stacklevel=2,
            )
        return self._timeline or timeline

    def _read(self, index: int) -> RgbImage:
        timeline = self._known()
        try:
            return self._cursor_on(timeline).read(self.checked(index))
        except OffTimelineError:
            if timeline.certain:
                raise MediaError(f"frame {index} of {self.address.name} cannot be decoded") from None
        self._timeline = None
        self._decode_all()
        return self._read(index)

    def _cursor_on(self, timeline: Timeline) -> Cursor:
        if self._cursor is None or self._cursor.timeline is not timeline:
            if self._cursor is not None:
                self._cursor.close()
            self._cursor = Cursor(self._opened, timeline, lambda: self.cache_bytes, self._first_decoder)
            self._first_decoder = None
        return self._cursor

    def _stream(self) -> Generator[RgbImage]:
        with self._opened() as decoder:
            for frame in decoder.pictures():
                yield decoder.rgb(frame)
            self._learn(decoder)

    def _release(self) -> None:
        for opened in (self._cursor, self._first_decoder):
            if opened is not None:
                opened.close()


class VideoFile(ContainerVideo):
    """A video file; see `ContainerVideo`.

    Args:
        path: the file.
        raw: the form of its frames, where it has no header.
        cache_bytes: what random access may keep.
    """

    path: Path

    def __init__(
        self, path: str | os.PathLike[str], *, raw: RawFormat | None = None, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MediaError(f"expected a video file, found {'a folder' if self.path.is_dir() else 'nothing'}: {path}")
        if not self.path.stat().st_size:
            raise MediaError(f"the file is empty: {path}")
        super().__init__(FfmpegInput.from_path(self.path, raw), self.path.name, cache_bytes=cache_bytes)


class WebVideo(ContainerVideo):
    """A video file on a web server that sends any part of it; see `ContainerVideo`.

    Nothing is stored. The first question for the length, the times or a frame by index reads the file once from start
    to end, because only its packets tell how many frames there are; iteration alone does not. A transfer that breaks
    off goes on where it was; one that does not come back is a `MediaError`.

    Args:
        address: an ``http`` or ``https`` address for which `FfmpegInput.supports_ranges` holds.
        cache_bytes: what random access may keep.

    Attributes:
        file_name: the last part of the address, such as ``dog.mp4``.
    """

    def __init__(self, address: FfmpegInput, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.file_name = address.file_name
        super().__init__(address, self.file_name or address.name, cache_bytes=cache_bytes)
