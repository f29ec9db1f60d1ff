"""Cameras and network streams: frames as they come, no length, no seeking."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import NoReturn
from urllib.parse import urlsplit

from masklet.errors import MediaError
from masklet.io.decoder import Decoder
from masklet.io.readahead import read_ahead
from masklet.types import Picture

URL_SCHEMES = frozenset({"rtsp", "rtsps", "http", "https"})

_READ_AHEAD = 2  # frames: a live picture should not be old when it is seen
_CAMERAS = {  # platform -> FFmpeg's input form, and how it names camera n
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
}


class LiveVideo:
    """A camera or network stream as a frame source: iteration only, once; a second iteration goes on where it stands.

    Attributes:
        size: (height, width) of every frame, as displayed.
        fps: nominal frames per second, or None.
        time_base: the unit the stream counts time in, in seconds.

    Args:
        source: ``"camera:0"`` (the first camera), or an ``rtsp://``, ``http://`` or ``https://`` address.

    Raises:
        MediaError: it cannot be opened within 10 seconds, or sends no video.
    """

    def __init__(self, source: str) -> None:
        self.name = _without_password(source)
        url, form, options = _address(source)
        self._decoder = Decoder(url, name=self.name, options=options, form=form)
        self.size = self._decoder.size
        self.fps = None if self._decoder.rate is None else float(self._decoder.rate)
        self.time_base: Fraction = self._decoder.time_base
        self._decoder.scan = None  # a stream may last for weeks
        self._pictures = self._decoder.pictures()
        self._times = array("d")
        self._iterator: Generator[Picture] | None = None

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
        for frame in self._pictures:
            step = 1 / self.fps if self.fps else 0.0
            fallback = self._times[-1] + step if self._times else 0.0
            self._times.append(fallback if frame.pts is None else float(frame.pts * self.time_base))
            yield self._decoder.rgb(frame)
        if self._decoder.broken:
            raise MediaError(f"{self.name} broke off: {self._decoder.broken}")

    def close(self) -> None:
        """End the iterator with its thread and close the stream; closing twice is harmless."""
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
    """Whether a name means a camera or an address rather than a path."""
    scheme, colon, rest = source.partition(":")
    return bool(colon) and (scheme == "camera" or (scheme.lower() in URL_SCHEMES and rest.startswith("//")))


def _address(source: str) -> tuple[str, str | None, dict[str, str]]:
    """What FFmpeg opens, the input form it must be told, and its options."""
    if not source.startswith("camera:"):
        scheme = source.partition(":")[0].lower()
        return source, None, {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
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
