"""Exact random access to the pictures of a video stream: seek to the key packet, decode forward, match times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from av.video.frame import VideoFrame

from masklet.io.decoder import Decoder
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
