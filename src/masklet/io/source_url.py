"""FFmpeg inputs: files, network URLs, cameras and standard input, with the protocols each may use."""

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

from masklet.errors import MediaError
from masklet.io.images import check_pixels

_WORDS = re.compile(r"(\d{1,6})x(\d{1,6})(?:[,:]([a-z0-9_]+))?(?:[,:@](\d+(?:\.\d+|/\d+)?))?")


@dataclass(frozen=True, kw_only=True)
class RawFormat:
    """How raw frames follow each other.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixels: FFmpeg's name of the pixel format, such as "rgb24", "bgr24", "gray", "yuv420p" or "gray16le".
        fps: frames per second.

    Raises:
        MediaError: no size, no such pixel format, or no rate.
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
        """From words: ``"640x480"``, ``"640x480,bgr24"`` or ``"640x480,yuv420p,30000/1001"``.

        Raises:
            MediaError: something else.
        """
        match = _WORDS.fullmatch(text.strip().lower())
        if match is None or (match[4] or "").endswith("/0"):
            raise MediaError(f"expected WIDTHxHEIGHT,PIXELS,FPS as 640x480,rgb24,25, got {text!r}")
        width, height, pixels, fps = match.groups()
        return cls(width=int(width), height=int(height), pixels=pixels or "rgb24", fps=Fraction(fps or 25))

    @property
    def options(self) -> dict[str, str]:
        """For FFmpeg's raw video input."""
        return {
            "video_size": f"{self.width}x{self.height}",
            "pixel_format": self.pixels,
            "framerate": f"{self.fps.numerator}/{self.fps.denominator}",
        }


STANDARD_INPUT = "-"
SECONDS_TO_OPEN = 10.0
RTSP, HTTP = frozenset({"rtsp", "rtsps"}), frozenset({"http", "https"})

_CAMERAS = {  # platform -> FFmpeg's input form, and how it names camera n
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}:none"),
}
_HTTP_OPTIONS = {  # a broken transfer goes on where it broke; a playlist cannot reach files
    "protocol_whitelist": "http,https,tcp,tls,crypto,httpproxy",
    "reconnect": "1",
    "reconnect_on_network_error": "1",
    "reconnect_delay_max": "4",
}
_RTSP_OPTIONS = {"protocol_whitelist": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,crypto", "rtsp_transport": "tcp"}

_PLAYLISTS = (b"#EXTM3U", b"<MPD")
"""What playlists of pieces (HLS, DASH) begin with or hold early on: the server tells the playlist's length alone."""


@dataclass(frozen=True, kw_only=True)
class FfmpegInput:
    """Where a container is, in FFmpeg's words.

    Attributes:
        url: what it opens.
        name: how errors call it; no password and no query, which may be a key.
        form: its name of the input form; None: it finds out.
        options: for the protocol and the demuxer.
    """

    url: str
    name: str
    form: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_path(cls, path: Path, raw: RawFormat | None = None) -> FfmpegInput:
        """A file on this machine; ``raw`` where it has no header."""
        # "file:" and the white list: a name with a colon is no protocol, and a playlist cannot reach the network
        options = {"protocol_whitelist": "file"} | (raw.options if raw else {})
        return cls(url=f"file:{path}", name=str(path), form="rawvideo" if raw else None, options=options)

    @classmethod
    def from_url(cls, source: str, raw: RawFormat | None = None) -> FfmpegInput:
        """A camera, a network address or standard input, as `is_url` knows them.

        Raises:
            MediaError: a camera without a number, or on a system where cameras have none.
        """
        if source == STANDARD_INPUT:
            options = {"protocol_whitelist": "pipe"} | (raw.options if raw else {})
            return cls(url="pipe:0", name="standard input", form="rawvideo" if raw else None, options=options)
        if _scheme(source) != "camera":
            options = _RTSP_OPTIONS if _scheme(source) in RTSP else _HTTP_OPTIONS
            return cls(url=source, name=_without_secrets(source), options=options)
        number = source.removeprefix("camera:")
        if not number.isdecimal():
            raise MediaError(f"expected camera:N with N a number from 0, got {source!r}")
        if sys.platform not in _CAMERAS:
            raise MediaError(f"cameras by number are known on Linux and macOS, not on {sys.platform}")
        form, device = _CAMERAS[sys.platform]
        return cls(url=device.format(int(number)), name=source, form=form)

    @property
    def is_rtsp(self) -> bool:
        """Whether it is a network camera's stream."""
        return _scheme(self.url) in RTSP

    @property
    def is_http(self) -> bool:
        """Whether a web server sends it."""
        return _scheme(self.url) in HTTP

    @property
    def file_name(self) -> str:
        """The last part of a web address, such as ``dog.mp4``, or ""."""
        return unquote(PurePosixPath(urlsplit(self.url).path).name)

    def supports_ranges(self) -> bool:
        """Whether a web server says how long the file is and sends any part of it: a recorded video, that can seek.

        False where it sends a stream or a playlist, and where it cannot be asked: opening it will tell why.
        """
        try:
            with urllib.request.urlopen(_request(self.url), timeout=SECONDS_TO_OPEN) as answer:  # noqa: S310  is_http
                whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
                beginning = answer.read(256) if answer.status == 206 else b""
        except (OSError, HTTPException, ValueError):
            return False
        return whole.isdecimal() and bool(beginning) and not any(mark in beginning for mark in _PLAYLISTS)


def is_url(source: str) -> bool:
    """Whether a name means a camera, a network address or standard input rather than a path."""
    _, colon, rest = source.partition(":")
    network = _scheme(source) in RTSP | HTTP and rest.startswith("//")
    return source == STANDARD_INPUT or (bool(colon) and (source.startswith("camera:") or network))


def _scheme(source: str) -> str:
    return source.partition(":")[0].lower()


def _request(url: str) -> urllib.request.Request:
    """Asks for the first bytes; the name and password that FFmpeg takes from the address go where they belong."""
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
