"""What FFmpeg is told to open: a file, a network address, a camera or standard input, and what each may reach."""

from __future__ import annotations

import base64
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from masklet.errors import MediaError
from masklet.io.raw import RawForm

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
class Address:
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
    def of_file(cls, path: Path, raw: RawForm | None = None) -> Address:
        """A file on this machine; ``raw`` where it has no header."""
        # "file:" and the white list: a name with a colon is no protocol, and a playlist cannot reach the network
        options = {"protocol_whitelist": "file"} | (raw.options if raw else {})
        return cls(url=f"file:{path}", name=str(path), form="rawvideo" if raw else None, options=options)

    @classmethod
    def of_source(cls, source: str, raw: RawForm | None = None) -> Address:
        """A camera, a network address or standard input, as `is_address` knows them.

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

    def sends_ranges(self) -> bool:
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


def is_address(source: str) -> bool:
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
