"""Cameras, network streams and standard input: frames as they arrive, no length, no seeking."""

from __future__ import annotations

import threading
import time
import warnings
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from typing import NoReturn

from masklet.errors import MediaError
from masklet.io.decoder import Decoder, RawFormat
from masklet.io.source import MediaWarning, read_ahead
from masklet.io.source_url import RTSP, parse_url
from masklet.types import RgbImage

RECONNECT_SECONDS = 30.0
"""How long to try to reconnect to an interrupted RTSP stream."""

_READ_AHEAD = 2  # frames: more would be old by the time they are used


class LiveVideo:
    """A camera, network stream or standard input: iteration only, once; a second iterator continues the first.

    An interrupted RTSP stream is reconnected, with a `MediaWarning`; its times then follow this machine's clock. Two
    frames are read ahead; where the caller is slower than the stream, further frames wait with the sender (or are lost
    there). With ``newest`` they are dropped here, so that a frame is never older than the work on the one before.

    Attributes:
        size: (height, width) of every frame, as displayed.
        fps: nominal frame rate, or None.
        time_base: unit of the stream's timestamps, in seconds.

    Args:
        source: ``"camera:0"`` (the first camera), an ``rtsp://``, ``http://`` or ``https://`` URL, or ``"-"`` for
            standard input.
        raw: format of frames without a header, on standard input.
        reconnect: seconds to try to reconnect to an interrupted RTSP stream; 0 for not at all.
        newest: drop frames that arrive while the caller works on an earlier one.

    Raises:
        MediaError: it cannot be opened within 10 seconds, or sends no video.
    """

    def __init__(
        self,
        source: str,
        *,
        raw: RawFormat | None = None,
        reconnect: float = RECONNECT_SECONDS,
        newest: bool = False,
    ) -> None:
        self._source = parse_url(source, raw)
        self.name = self._source.name
        self._reconnect = reconnect if self._source.scheme in RTSP else 0.0
        self._newest = newest
        self._decoder = self._open()
        self.size = self._decoder.size
        self.fps = None if self._decoder.rate is None else float(self._decoder.rate)
        self.time_base: Fraction = self._decoder.time_base
        self._times = array("d")
        self._closed = threading.Event()
        self._iterator: Generator[RgbImage] | None = None
        for note in self._decoder.notes:
            warnings.warn(f"{self.name} {note}", MediaWarning, stacklevel=2)

    def _open(self) -> Decoder:
        decoder = Decoder(self._source)
        decoder.scanning = False  # a stream may last for weeks
        return decoder

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame returned so far, in seconds on the stream's clock."""
        return self._times

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self.name} is live: the number of frames is not known")

    def __getitem__(self, index: int) -> NoReturn:
        raise TypeError(f"{self.name} is live: frames can only be iterated over")

    def __iter__(self) -> Iterator[RgbImage]:
        if self._iterator is None:
            self._iterator = self._iterate()
        return self._iterator

    def _iterate(self) -> Generator[RgbImage]:
        with closing(read_ahead(self._stream, 1 if self._newest else _READ_AHEAD, newest=self._newest)) as frames:
            for seconds, pixels in frames:
                self._times.append(seconds)
                yield pixels

    def _stream(self) -> Generator[tuple[float, RgbImage]]:
        """Yield every frame with its time; runs in the read-ahead thread."""
        offset, last = 0.0, None
        while True:
            decoder = self._decoder
            for frame in decoder.frames:
                step = 1 / self.fps if self.fps else 0.0
                fallback = 0.0 if last is None else last + step
                last = fallback if frame.pts is None else float(frame.pts * decoder.time_base) + offset
                yield last, decoder.rgb(frame)
            interrupted = time.monotonic()
            if not self._reconnected(interrupted):
                break
            resumed = (last or 0.0) + max(time.monotonic() - interrupted, 1e-3)
            offset = resumed - float((self._decoder.first.pts or 0) * self._decoder.time_base)
        if self._reconnect or decoder.read_error:
            raise MediaError(f"{self.name} was interrupted: {decoder.read_error or 'the stream ended'}")
        if decoder.num_damaged:
            warnings.warn(
                f"{self.name}: {decoder.num_damaged} packets could not be decoded", MediaWarning, stacklevel=2
            )

    def _reconnected(self, since: float) -> bool:
        """Try to open the stream again, with growing pauses; return whether that succeeded."""
        self._decoder.close()
        pause = 0.25
        while self._reconnect and time.monotonic() - since < self._reconnect and not self._closed.wait(pause):
            pause = min(2 * pause, 4.0)
            try:
                self._decoder = self._open()
            except MediaError:
                continue
            if self._decoder.size != self.size:
                (height, width), (new_height, new_width) = self.size, self._decoder.size
                raise MediaError(f"{self.name} resumed with {new_width}x{new_height} instead of {width}x{height}")
            seconds = time.monotonic() - since
            warnings.warn(f"{self.name} was interrupted for {seconds:.1f} s", MediaWarning, stacklevel=2)
            return True
        return False

    def close(self) -> None:
        """End the iterator and its thread and close the stream; closing twice is harmless."""
        self._closed.set()
        if self._iterator is not None:
            self._iterator.close()
        self._decoder.close()

    def __enter__(self) -> LiveVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
