"""Cameras, network URLs and standard input, each with the protocols it may use."""

from __future__ import annotations

import base64
import sys
import urllib.request
from http.client import HTTPException
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit

from masklet.errors import MediaError
from masklet.io.decoder import OPEN_TIMEOUT, FfmpegInput, RawFormat

STANDARD_INPUT = "-"
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


def parse_url(source: str, raw: RawFormat | None = None) -> FfmpegInput:
    """Describe a camera, a URL or standard input; `MediaError` for a camera that has no number on this system."""
    if source == STANDARD_INPUT:
        return FfmpegInput.of("pipe:0", "standard input", "pipe", raw)
    scheme, _, number = source.partition(":")
    if scheme != "camera":
        options = _RTSP_OPTIONS if scheme.lower() in RTSP else _HTTP_OPTIONS
        return FfmpegInput(url=source, name=_without_secrets(source), options=options)
    if not number.isdecimal():
        raise MediaError(f"expected camera:N with N a number from 0, got {source!r}")
    if sys.platform not in _CAMERAS:
        raise MediaError(f"cameras by number are supported on Linux and macOS, not on {sys.platform}")
    format, device = _CAMERAS[sys.platform]
    return FfmpegInput(url=device.format(int(number)), name=source, format=format)


def file_name(url: str) -> str:
    """Return the last part of a web URL, such as ``dog.mp4``, or ""."""
    return unquote(PurePosixPath(urlsplit(url).path).name)


def supports_ranges(url: str) -> bool:
    """Return whether a web server reports the file's length and sends any part of it, so that it can be seeked in.

    False for streams and playlists, and where the request fails: opening the URL reports why.
    """
    try:
        with urllib.request.urlopen(_range_request(url), timeout=OPEN_TIMEOUT) as response:  # noqa: S310  see the callers
            length = response.headers.get("Content-Range", "").rpartition("/")[2]
            start = response.read(256) if response.status == 206 else b""
    except (OSError, HTTPException, ValueError):
        return False
    return length.isdecimal() and bool(start) and not any(mark in start for mark in _PLAYLISTS)


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
