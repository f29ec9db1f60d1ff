"""Cameras, network streams and standard input: frames as they come, no length, no seeking."""

from __future__ import annotations

import threading
import time
import warnings
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from types import TracebackType
from typing import NoReturn

from masklet.errors import MediaError
from masklet.io.decoder import Decoder
from masklet.io.readahead import read_ahead
from masklet.io.source import MediaWarning
from masklet.io.source_url import FfmpegInput, RawFormat
from masklet.types import RgbImage

RECONNECT_SECONDS = 30.0
"""How long an RTSP stream that broke off is tried again before it is given up."""

_READ_AHEAD = 2  # frames: a live picture should not be old when it is seen


class LiveVideo:
    """A camera, network stream or standard input as a frame source: iteration only, once; a second goes on from there.

    An RTSP stream that breaks off is connected again, with a `MediaWarning`; its times go on by this machine's clock.
    Where reading falls behind, frames wait with the sender (or are lost there), not here: two are read ahead. With
    ``newest`` they are dropped here instead, so that a picture is never older than one frame and the work on it.

    Attributes:
        size: (height, width) of every frame, as displayed.
        fps: nominal frames per second, or None.
        time_base: the unit the stream counts time in, in seconds.

    Args:
        source: ``"camera:0"`` (the first camera), an ``rtsp://``, ``http://`` or ``https://`` address, or ``"-"``: a
            video on standard input.
        raw: the form of frames without any header, on standard input.
        reconnect: seconds for which an RTSP stream that broke off is tried again; 0 for not at all.
        newest: leave out frames that come while the one before is worked on.

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
        self._address = FfmpegInput.from_url(source, raw)
        self.name = self._address.name
        self._reconnect = reconnect if self._address.is_rtsp else 0.0
        self._newest = newest
        self._decoder = self._opened()
        self.size = self._decoder.size
        self.fps = None if self._decoder.rate is None else float(self._decoder.rate)
        self.time_base: Fraction = self._decoder.time_base
        self._times = array("d")
        self._closed = threading.Event()
        self._iterator: Generator[RgbImage] | None = None
        for note in self._decoder.notes:
            warnings.warn(f"{self.name} {note}", MediaWarning, stacklevel=2)

    def _opened(self) -> Decoder:
        decoder = Decoder(self._address)
        decoder.scan = None  # a stream may last for weeks
        return decoder

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame taken so far, in seconds on the stream's clock."""
        return self._times

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self.name} is live: the number of frames is not known")

    def __getitem__(self, index: int) -> NoReturn:
        raise TypeError(f"{self.name} is live: frames can only be taken as they come")

    def __iter__(self) -> Iterator[RgbImage]:
        if self._iterator is None:
            self._iterator = self._taken()
        return self._iterator

    def _taken(self) -> Generator[RgbImage]:
        """The frames as they are taken, and their times."""
        with closing(read_ahead(self._stream, 1 if self._newest else _READ_AHEAD, newest=self._newest)) as frames:
            for seconds, picture in frames:
                self._times.append(seconds)
                yield picture

    def _stream(self) -> Generator[tuple[float, RgbImage]]:
        """Every frame with its time; runs in the read-ahead thread."""
        offset, last = 0.0, None
        while True:
            decoder = self._decoder
            for frame in decoder.pictures():
                step = 1 / self.fps if self.fps else 0.0
                fallback = 0.0 if last is None else last + step
                last = fallback if frame.pts is None else float(frame.pts * decoder.time_base) + offset
                yield last, decoder.rgb(frame)
            broke = time.monotonic()
            if not self._connected_again(broke):
                break
            first = self._decoder.first.pts
            resumed = (last or 0.0) + max(time.monotonic() - broke, 1e-3)
            offset = resumed - float((first or 0) * self._decoder.time_base)
        if self._reconnect or decoder.broken:
            raise MediaError(f"{self.name} broke off: {decoder.broken or 'the stream ended'}")
        if decoder.damaged:
            warnings.warn(f"{self.name}: {decoder.damaged} packets could not be decoded", MediaWarning, stacklevel=2)

    def _connected_again(self, broke: float) -> bool:
        """Try to open the stream until the time is over, with longer and longer pauses."""
        self._decoder.close()
        pause = 0.25
        while self._reconnect and time.monotonic() - broke < self._reconnect and not self._closed.wait(pause):
            pause = min(2 * pause, 4.0)
            try:
                self._decoder = self._opened()
            except MediaError:
                continue
            if self._decoder.size != self.size:
                (height, width), (new_height, new_width) = self.size, self._decoder.size
                raise MediaError(f"{self.name} came back with {new_width}x{new_height} instead of {width}x{height}")
            lost = time.monotonic() - broke
            warnings.warn(f"{self.name} broke off, and came back after {lost:.1f} s", MediaWarning, stacklevel=2)
            return True
        return False

    def close(self) -> None:
        """End the iterator with its thread and close the stream; closing twice is harmless."""
        self._closed.set()
        if self._iterator is not None:
            self._iterator.close()
        self._decoder.close()

    def __enter__(self) -> LiveVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
