"""Recorded videos: any container FFmpeg opens, on disk or on a web server, decoded lazily, with exact random access."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from masklet.errors import MediaError
from masklet.io.cursor import Cursor, OffTimelineError
from masklet.io.decoder import Decoder
from masklet.io.raw import RawForm
from masklet.io.source import MediaWarning, RecordedSource
from masklet.io.source_url import Address
from masklet.io.timeline import Timeline
from masklet.types import RgbImage

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

    def __init__(self, address: Address, name: str, *, cache_bytes: int = CACHE_BYTES) -> None:
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
        if web and (decoder.broken or not (decoder.complete or self.address.sends_ranges())):
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
        self, path: str | os.PathLike[str], *, raw: RawForm | None = None, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise MediaError(f"expected a video file, found {'a folder' if self.path.is_dir() else 'nothing'}: {path}")
        if not self.path.stat().st_size:
            raise MediaError(f"the file is empty: {path}")
        super().__init__(Address.of_file(self.path, raw), self.path.name, cache_bytes=cache_bytes)


class WebVideo(ContainerVideo):
    """A video file on a web server that sends any part of it; see `ContainerVideo`.

    Nothing is stored. The first question for the length, the times or a frame by index reads the file once from start
    to end, because only its packets tell how many frames there are; iteration alone does not. A transfer that breaks
    off goes on where it was; one that does not come back is a `MediaError`.

    Args:
        address: an ``http`` or ``https`` address for which `Address.sends_ranges` holds.
        cache_bytes: what random access may keep.

    Attributes:
        file_name: the last part of the address, such as ``dog.mp4``.
    """

    def __init__(self, address: Address, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.file_name = address.file_name
        super().__init__(address, self.file_name or address.name, cache_bytes=cache_bytes)
