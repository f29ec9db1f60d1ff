"""Cameras, network streams and standard input: frames as they come, no length, no seeking."""

from __future__ import annotations

import sys
import threading
import time
import warnings
from array import array
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import NoReturn
from urllib.parse import urlsplit

from masklet.errors import MediaError
from masklet.io.decoder import Decoder
from masklet.io.raw import RawForm
from masklet.io.readahead import read_ahead
from masklet.io.source import MediaWarning
from masklet.types import Picture

URL_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})
STANDARD_INPUT = "-"

RECONNECT_SECONDS = 30.0
"""How long an RTSP stream that broke off is tried again before it is given up."""

_READ_AHEAD = 2  # frames: a live picture should not be old when it is seen
_CAMERAS = {  # platform -> FFmpeg's input form, and how it names camera n
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
}
_HTTP = {  # a broken transfer goes on where it broke; a playlist cannot reach files
    "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
    "reconnect": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "4",
}
_RTSP = {"protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto", "rtsp_transport": "tcp"}


class LiveVideo:
    """A camera, network stream or standard input as a frame source: iteration only, once; a second goes on from there.

    An RTSP stream that breaks off is connected again, with a `MediaWarning`; its times go on by this machine's clock.
    Where reading falls behind, frames wait with the sender (or are lost there), not here: two are read ahead.

    Attributes:
        size: (height, width) of every frame, as displayed.
        fps: nominal frames per second, or None.
        time_base: the unit the stream counts time in, in seconds.

    Args:
        source: ``"camera:0"`` (the first camera), an ``rtsp://``, ``http://`` or ``https://`` address, or ``"-"``: a
            video on standard input.
        raw: the form of frames without any header, on standard input.
        reconnect: seconds for which an RTSP stream that broke off is tried again; 0 for not at all.

    Raises:
        MediaError: it cannot be opened within 10 seconds, or sends no video.
    """

    def __init__(self, source: str, *, raw: RawForm | None = None, reconnect: float = RECONNECT_SECONDS) -> None:
        self.name = "standard input" if source == STANDARD_INPUT else _without_password(source)
        self._address = _address(source, raw)
        self._reconnect = reconnect if source.lower().startswith("rtsp") else 0.0
        self._decoder = self._opened()
        self.size = self._decoder.size
        self.fps = None if self._decoder.rate is None else float(self._decoder.rate)
        self.time_base: Fraction = self._decoder.time_base
        self._times = array("d")
        self._closed = threading.Event()
        self._iterator: Generator[Picture] | None = None
        for note in self._decoder.notes:
            warnings.warn(f"{self.name} {note}", MediaWarning, stacklevel=2)

    def _opened(self) -> Decoder:
        url, form, options = self._address
        decoder = Decoder(url, name=self.name, options=options, form=form)
        decoder.scan = None  # a stream may last for weeks
        return decoder

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation time of every frame seen so far, in seconds on the stream's clock."""
        return self._times

    def __len__(self) -> NoReturn:
        raise TypeError(f"{self.name} is live: the number of frames is not known")

    def __getitem__(self, index: int) -> NoReturn:
        raise TypeError(f"{self.name} is live: frames can only be taken as they come")

    def __iter__(self) -> Iterator[Picture]:
        if self._iterator is None:
            self._iterator = read_ahead(self._stream, _READ_AHEAD)
        return self._iterator

    def _stream(self) -> Generator[Picture]:
        offset = 0.0
        while True:
            decoder = self._decoder
            for frame in decoder.pictures():
                step = 1 / self.fps if self.fps else 0.0
                fallback = self._times[-1] + step if self._times else 0.0
                self._times.append(fallback if frame.pts is None else float(frame.pts * decoder.time_base) + offset)
                yield decoder.rgb(frame)
            broke = time.monotonic()
            if not self._connected_again(broke):
                break
            first = self._decoder.first.pts
            resumed = self._times[-1] + max(time.monotonic() - broke, 1e-3)
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


def is_live(source: str) -> bool:
    """Whether a name means a camera, an address or standard input rather than a path."""
    scheme, colon, rest = source.partition(":")
    address = scheme == "camera" or (scheme.lower() in URL_SCHEMES and rest.startswith("//"))
    return source == STANDARD_INPUT or (bool(colon) and address)


def _address(source: str, raw: RawForm | None) -> tuple[str, str | None, dict[str, str]]:
    """What FFmpeg opens, the input form it must be told, and its options."""
    if source == STANDARD_INPUT:
        options = {"protocol_whitelist": "pipe"} | (raw.options if raw else {})
        return "pipe:0", "rawvideo" if raw else None, options
    if not source.startswith("camera:"):
        return source, None, _RTSP if source.lower().startswith("rtsp") else _HTTP
    number = source.removeprefix("camera:")
    if not number.isdecimal():
        raise MediaError(f"expected camera:N with N a number from 0, got {source!r}")
    if sys.platform not in _CAMERAS:
        raise MediaError(f"cameras by number are known on Linux and macOS, not on {sys.platform}")
    form, name = _CAMERAS[sys.platform]
    return name.format(int(number)), form, {}


def _without_password(source: str) -> str:
    try:
        parts = urlsplit(source)
        return source.replace(f":{parts.password}@", ":***@") if parts.password else source
    except ValueError:
        return source
