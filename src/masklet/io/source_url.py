"""Inputs of FFmpeg: files, network URLs, cameras and standard input, each with the protocols it may use."""

from __future__ import annotations

import base64
import re
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

import av
from av.container import InputContainer

from masklet.errors import MediaError
from masklet.io.images import check_pixels

STANDARD_INPUT = "-"
OPEN_TIMEOUT = 10.0
"""Seconds to wait for a source to open."""

RTSP, HTTP = frozenset({"rtsp", "rtsps"}), frozenset({"http", "https"})

_CAMERAS = {  # platform -> FFmpeg's input format, and its name of camera n
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
}
_HTTP_OPTIONS = {  # a broken transfer is resumed; a playlist cannot reach files
    "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
    "reconnect": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "4",
}
_RTSP_OPTIONS = {"protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto", "rtsp_transport": "tcp"}

_PLAYLISTS = (b"#EXTM3U", b"<MPD")
"""Found at the start of HLS and DASH playlists, for which the server reports only the length of the playlist."""

_RAW_FORMAT = re.compile(r"(\d{1,6})x(\d{1,6})(?:[,:]([a-z0-9_]+))?(?:[,:@](\d+(?:\.\d+|/\d+)?))?")


@dataclass(frozen=True, kw_only=True)
class RawFormat:
    """Format of raw frames, which have no header.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixels: FFmpeg's name of the pixel format, such as "rgb24", "bgr24", "gray", "yuv420p" or "gray16le".
        fps: frame rate, above 0 and at most 1000.

    Raises:
        MediaError: a value out of range, or an unknown pixel format.
    """

    width: int
    height: int
    pixels: str = "rgb24"
    fps: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        check_pixels("raw frames", self.height, self.width)
        try:
            av.VideoFormat(self.pixels)
        except ValueError:
            raise MediaError(f"expected a pixel format such as rgb24, gray or yuv420p, got {self.pixels!r}") from None
        if not 0 < self.fps <= 1000:
            raise MediaError(f"expected more than 0 and at most 1000 frames per second, got {self.fps}")

    @classmethod
    def parse(cls, text: str) -> RawFormat:
        """Parse ``"640x480"``, ``"640x480,bgr24"`` or ``"640x480,yuv420p,30000/1001"``.

        Raises:
            MediaError: another syntax.
        """
        match = _RAW_FORMAT.fullmatch(text.strip().lower())
        if match is None or (match[4] or "").endswith("/0"):
            raise MediaError(f"expected WIDTHxHEIGHT,PIXELS,FPS as 640x480,rgb24,25, got {text!r}")
        width, height, pixels, fps = match.groups()
        return cls(width=int(width), height=int(height), pixels=pixels or "rgb24", fps=Fraction(fps or 25))

    @property
    def options(self) -> dict[str, str]:
        """Options of FFmpeg's rawvideo demuxer."""
        return {
            "video_size": f"{self.width}x{self.height}",
            "pixel_format": self.pixels,
            "framerate": f"{self.fps.numerator}/{self.fps.denominator}",
        }


@dataclass(frozen=True, kw_only=True)
class FfmpegInput:
    """Arguments with which FFmpeg opens a source.

    Attributes:
        url: what it opens.
        name: shown in messages; without the password and the query, which may hold a key.
        format: name of the input format, or None to detect it.
        options: of the protocol and the demuxer.
    """

    url: str
    name: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_path(cls, path: Path, raw: RawFormat | None = None) -> FfmpegInput:
        """Describe a local file; ``raw`` is the format of one that has no header."""
        # "file:" and the white list: a colon in the name means no protocol, and a playlist cannot reach the network
        options = {"protocol_whitelist": "file"} | (raw.options if raw else {})
        return cls(url=f"file:{path}", name=str(path), format="rawvideo" if raw else None, options=options)

    @classmethod
    def from_url(cls, source: str, raw: RawFormat | None = None) -> FfmpegInput:
        """Describe a camera, a network URL or standard input, as accepted by `is_url`.

        Raises:
            MediaError: a camera without a number, or on a system where cameras have no numbers.
        """
        if source == STANDARD_INPUT:
            options = {"protocol_whitelist": "pipe"} | (raw.options if raw else {})
            return cls(url="pipe:0", name="standard input", format="rawvideo" if raw else None, options=options)
        if _scheme(source) != "camera":
            options = _RTSP_OPTIONS if _scheme(source) in RTSP else _HTTP_OPTIONS
            return cls(url=source, name=_without_secrets(source), options=options)
        number = source.removeprefix("camera:")
        if not number.isdecimal():
            raise MediaError(f"expected camera:N with N a number from 0, got {source!r}")
        if sys.platform not in _CAMERAS:
            raise MediaError(f"cameras by number are supported on Linux and macOS, not on {sys.platform}")
        format, device = _CAMERAS[sys.platform]
        return cls(url=device.format(int(number)), name=source, format=format)

    def open(self) -> InputContainer:
        """Open it; raises the errors of FFmpeg, and `ValueError` for an input format that this build lacks."""
        return av.open(self.url, format=self.format, options=dict(self.options), timeout=OPEN_TIMEOUT)

    @property
    def is_rtsp(self) -> bool:
        """Whether it is an RTSP stream, such as a network camera."""
        return _scheme(self.url) in RTSP

    @property
    def is_http(self) -> bool:
        """Whether it is sent by a web server."""
        return _scheme(self.url) in HTTP

    @property
    def file_name(self) -> str:
        """The last part of a web URL, such as ``dog.mp4``, or ""."""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)

    def supports_ranges(self) -> bool:
        """Return whether a web server reports the file's length and sends any part of it, so that it can be seeked in.

        False for streams and playlists, and where the request fails: opening the URL reports why.
        """
        try:
            with urllib.request.urlopen(_range_request(self.url), timeout=OPEN_TIMEOUT) as response:  # noqa: S310  is_http
                length = response.headers.get("Content-Range", "").rpartition("/")[2]
                start = response.read(256) if response.status == 206 else b""
        except (OSError, HTTPException, ValueError):
            return False
        return length.isdecimal() and bool(start) and not any(mark in start for mark in _PLAYLISTS)


def is_url(source: str) -> bool:
    """Return whether a source is a camera, a network URL or standard input rather than a path."""
    _, colon, rest = source.partition(":")
    network = _scheme(source) in RTSP | HTTP and rest.startswith("//")
    return source == STANDARD_INPUT or (bool(colon) and (source.startswith("camera:") or network))


def _scheme(source: str) -> str:
    return source.partition(":")[0].lower()


def _range_request(url: str) -> urllib.request.Request:
    """Request the first bytes; credentials in the URL, which FFmpeg reads there, go into a header."""
    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(plain, headers={"Range": "bytes=0-255"})  # noqa: S310  checked by is_http
    if parts.username is not None:
        key = base64.b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {key}")
    return request


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url)
        shown = parts.netloc.replace(f":{parts.password}@", ":***@") if parts.password else parts.netloc
        return urlunsplit(parts._replace(netloc=shown, query="..." if parts.query else ""))
    except ValueError:
        return url
