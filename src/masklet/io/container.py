"""Recorded videos in any container FFmpeg opens, on disk or on a web server, with exact random access."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from masklet.errors import MediaError
from masklet.io.decoder import Decoder, FfmpegInput, RawFormat, Timeline
from masklet.io.source import MediaWarning, RecordedSource
from masklet.io.source_url import HTTP, file_name, supports_ranges
from masklet.lru_cache import LruCache
from masklet.types import RgbImage

CACHE_BYTES = 128 * 2**20
"""Decoded frames cached for reading nearby and backward: about 90 of 1280x720."""


class Cursor:
    """Reads frames by index: seek to the key packet, decode forward, match presentation times.

    Reading onward continues decoding. Decoded frames are cached in their own pixel format, half the bytes of RGB.

    Args:
        source: what to open.
        timeline: of the stream.
        cache_bytes: returns the present limit of the cache, which holds at least one frame.
        decoder: one already open, at the start.
    """

    def __init__(
        self, source: FfmpegInput, timeline: Timeline, cache_bytes: Callable[[], int], decoder: Decoder | None
    ) -> None:
        self.timeline = timeline
        self._source = source
        self._decoder = decoder or Decoder(source)
        self._cache: LruCache[int, VideoFrame] = LruCache(cache_bytes, _num_bytes, min_values=1)
        self._frames = self._decoder.frames
        self._next = 0

    def read(self, index: int) -> RgbImage | None:
        """Return the frame at a valid index, or None where the stream does not contain what the timeline says."""
        frame = self._cache.get(index)
        if frame is None:
            frame = self._decode(index)
        return None if frame is None else self._decoder.rgb(frame)

    def _decode(self, index: int) -> VideoFrame | None:
        found = self.timeline.key_before(index)
        if not (found[0] if found else 0) <= self._next <= index:
            self._seek(index)
        frame = self._advance(index, match=bool(self.timeline.keys))
        if frame is None and self.timeline.decoded:
            self._reopen()  # a damaged stream may decode differently after a seek: count as the timeline was counted
            frame = self._advance(index, match=False)
        return frame

    def _advance(self, index: int, *, match: bool) -> VideoFrame | None:
        """Decode up to a frame; with ``match``, every frame must have the presentation time in the timeline."""
        for frame in self._frames:
            if match and self.timeline.index_of(frame.pts) != self._next:
                break
            self._cache.put(self._next, frame)
            self._next += 1
            if self._next > index:
                return frame
        self._next = len(self.timeline)  # nothing follows: the next read seeks
        return None

    def _seek(self, index: int) -> None:
        """Go to the key packet before a frame by seeking, else by reading from the start without decoding."""
        found = self.timeline.key_before(index)
        if found is not None:
            start, key = found
            frames = self._decoder.seek(key)
            if frames is None:
                self._reopen()
                frames = self._decoder.skip_to(key)
            if frames is not None:
                self._frames, self._next = frames, start
                return
        self._reopen()

    def _reopen(self) -> None:
        self._decoder.close()
        self._decoder = Decoder(self._source)
        self._frames = self._decoder.frames
        self._next = 0

    def close(self) -> None:
        """Close the decoder and empty the cache."""
        self._decoder.close()
        self._cache.clear()


def _num_bytes(frame: VideoFrame) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


class ContainerVideo(RecordedSource):
    """A recorded video in a container.

    A frame's index is its ordinal in display order; the header's count is not trusted. Pixels are as stored (non-square
    pixels stay so), turned upright by the display matrix. ``video[i]`` seeks to the key frame before i and decodes
    forward; reading onward continues decoding; recently decoded frames are cached. Of a damaged or truncated file the
    frames that can be decoded are given, with one `MediaWarning`.

    Args:
        source: what FFmpeg opens.
        name: of the video.
        cache_bytes: upper bound of the decoded frames cached for random access; may be changed later.

    Raises:
        MediaError: missing, no video in it, or no frame can be decoded.
    """

    time_base: Fraction

    def __init__(self, source: FfmpegInput, name: str, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.source = source
        decoder = Decoder(source)
        super().__init__(name, decoder.size, None if decoder.rate is None else float(decoder.rate))
        self.time_base = decoder.time_base
        self._first_decoder: Decoder | None = decoder
        self._known_timeline: Timeline | None = None
        self._cursor: Cursor | None = None
        self.cache_bytes = cache_bytes
        self._warned = False
        for note in decoder.notes:
            warnings.warn(f"{source.name} {note}", MediaWarning, stacklevel=3)

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame in seconds, on the container's clock (the first need not be 0)."""
        return self._timeline().seconds

    @property
    def pts(self) -> Sequence[int]:
        """Presentation time of every frame in units of ``time_base``; the index where the stream has no times."""
        return tuple(self._timeline().pts.tolist())

    def __len__(self) -> int:
        return len(self._timeline())

    def _timeline(self) -> Timeline:
        """Find the timeline from the packets, which is fast, or by decoding where they do not fit the header."""
        with self._lock:
            if self._known_timeline is None:
                self._check_open()
                with closing(Decoder(self.source)) as decoder:
                    for _ in decoder.packets():
                        pass
                    if decoder.is_complete:
                        self._known_timeline = decoder.scan.timeline(decoded=False)
            return self._known_timeline or self._decode_all()

    def _decode_all(self) -> Timeline:
        with closing(Decoder(self.source)) as decoder:
            for _ in decoder.frames:
                pass
            return self._update_timeline(decoder)

    def _update_timeline(self, decoder: Decoder) -> Timeline:
        """Set the timeline after a pass over all frames; warn once about damage.

        Runs in read-ahead threads too, and takes no lock: its owner may be waiting for such a thread to end.
        """
        name, web = self.source.name, self.source.scheme in HTTP
        if web and (decoder.read_error or not (decoder.is_complete or supports_ranges(self.source.url))):
            raise MediaError(f"{name} was interrupted: {decoder.read_error or 'the server does not respond'}")
        timeline = decoder.scan.timeline(decoded=True)
        known = self._known_timeline
        if known is None or not np.array_equal(known.pts, timeline.pts):
            self._known_timeline = timeline
        if not (decoder.is_complete or self._warned):
            self._warned = True
            count, declared = len(timeline), decoder.declared_frames
            warnings.warn(
                f"{name} is damaged{' or was interrupted' if web else ''}: using the "
                f"{f'{count} of {declared}' if declared > count else count} frames that can be decoded",
                MediaWarning,
                stacklevel=2,
            )
        return self._known_timeline or timeline

    def _read(self, index: int) -> RgbImage:
        timeline = self._timeline()
        if self._cursor is None or self._cursor.timeline is not timeline:
            if self._cursor is not None:
                self._cursor.close()
            self._cursor = Cursor(self.source, timeline, lambda: self.cache_bytes, self._first_decoder)
            self._first_decoder = None
        frame = self._cursor.read(self.resolve_index(index))
        if frame is not None:
            return frame
        if timeline.decoded:
            raise MediaError(f"frame {index} of {self.source.name} cannot be decoded")
        self._known_timeline = None
        self._decode_all()
        return self._read(index)

    def _stream(self) -> Generator[RgbImage]:
        with closing(Decoder(self.source)) as decoder:
            for frame in decoder.frames:
                yield decoder.rgb(frame)
            self._update_timeline(decoder)

    def _release(self) -> None:
        for opened in (self._cursor, self._first_decoder):
            if opened is not None:
                opened.close()


class VideoFile(ContainerVideo):
    """A video file; see `ContainerVideo`.

    Args:
        path: the file.
        raw: format of its frames, where it has no header.
        cache_bytes: upper bound of the decoded frames cached for random access.
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
        # "file:" and its protocol: a colon in the name means no protocol, and a playlist cannot reach the network
        source = FfmpegInput.of(f"file:{self.path}", str(self.path), "file", raw)
        super().__init__(source, self.path.name, cache_bytes=cache_bytes)


class WebVideo(ContainerVideo):
    """A video file on a web server that supports range requests; see `ContainerVideo`.

    Nothing is stored. The first request for the length, the times or a frame by index reads the file once from start
    to end, because only its packets tell how many frames there are; iteration alone does not. An interrupted transfer
    is resumed; where that fails a `MediaError` is raised.

    Args:
        source: an ``http`` or ``https`` URL for which `supports_ranges` holds.
        cache_bytes: upper bound of the decoded frames cached for random access.

    Attributes:
        file_name: the last part of the URL, such as ``dog.mp4``.
    """

    def __init__(self, source: FfmpegInput, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.file_name = file_name(source.url)
        super().__init__(source, self.file_name or source.name, cache_bytes=cache_bytes)
