"""Cameras and addresses, with a server on this machine."""

from __future__ import annotations

import contextlib
import io
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from PIL import Image

from masklet.errors import MediaError
from masklet.io import LiveVideo, MediaWarning, RawFormat, open_video
from masklet.io.inputs import is_url
from masklet.types import FrameSource


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(clips: Any) -> Iterator[str]:
    """The folder of clips, served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=clips.folder)) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_an_address_gives_frames_as_they_come(clips: Any, server: str) -> None:
    clips.write("clip.ts", form="mpegts")
    with open_video(f"{server}/clip.ts") as video:
        assert isinstance(video, LiveVideo)
        assert isinstance(video, FrameSource)
        assert video.size == (96, 128)
        assert [clips.ordinal_of(frame) for frame in video] == list(range(40))
        assert len(video.timestamps) == 40
        with pytest.raises(TypeError):
            len(video)
        with pytest.raises(TypeError):
            video[0]


def test_a_second_loop_goes_on_and_closing_ends_the_thread(clips: Any, server: str) -> None:
    clips.write("clip.ts", form="mpegts")
    before = {thread.ident for thread in threading.enumerate() if thread.name == "masklet-read-ahead"}
    with open_video(f"{server}/clip.ts") as video:
        seen = []
        for frame in video:
            seen.append(clips.ordinal_of(frame))
            if len(seen) == 10:
                break
        seen += [clips.ordinal_of(frame) for frame in video]

    assert seen == list(range(40))
    assert {thread.ident for thread in threading.enumerate() if thread.name == "masklet-read-ahead"} == before


def test_an_address_that_sends_no_video(clips: Any, server: str) -> None:
    (clips.folder / "page.html").write_text("<html>no video</html>")

    with pytest.raises(MediaError):
        open_video(f"{server}/page.html")
    with pytest.raises(MediaError):
        open_video(f"{server}/nowhere.mp4")


class _Breaks(BaseHTTPRequestHandler):
    """Every answer breaks off after 4,000 bytes; asked for the rest, it goes on there."""

    content = b""

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        start = int(asked or 0)
        self.send_response(206 if start else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(self.content) - start))
        self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.end_headers()
        self.wfile.write(self.content[start : start + 4000])

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_transfer_that_breaks_off_goes_on_where_it_was(clips: Any) -> None:
    _Breaks.content = clips.write("clip.ts", form="mpegts").read_bytes()
    assert len(_Breaks.content) > 10_000
    with ThreadingHTTPServer(("127.0.0.1", 0), _Breaks) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with open_video(f"http://127.0.0.1:{http.server_port}/clip.ts") as video:
                assert [clips.ordinal_of(frame) for frame in video] == list(range(40))
        finally:
            http.shutdown()
            thread.join()


class _Camera(BaseHTTPRequestHandler):
    """Sends JPEG after JPEG, as cheap network cameras do."""

    images: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for image in self.images:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
            with contextlib.suppress(ConnectionError):  # who only asked for ranges hangs up
                self.wfile.write(head.encode() + image + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("newest", [False, True])
def test_a_camera_that_sends_images(clips: Any, newest: bool) -> None:
    _Camera.images = []
    for ordinal in range(30):
        with io.BytesIO() as file:
            Image.fromarray(clips.numbered(ordinal)).save(file, "JPEG")
            _Camera.images.append(file.getvalue())
    with ThreadingHTTPServer(("127.0.0.1", 0), _Camera) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with LiveVideo(f"http://127.0.0.1:{http.server_port}/stream", newest=newest) as video:
                seen: list[int] = []
                with pytest.raises(MediaError):
                    seen.extend(clips.ordinal_of(frame) for frame in video)
                times = list(video.timestamps)
        finally:
            http.shutdown()
            thread.join()

    assert seen[-1] == 29
    assert seen == (sorted(set(seen)) if newest else list(range(30)))
    assert len(times) == len(seen)
    assert times == sorted(set(times))


ANSWERS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n",
    "DESCRIBE": "Content-Type: application/sdp\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\n",
}
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track1\r\n"


class _Rtsp:
    """An RTSP server that sends each client in turn one transport stream, and hangs up (RFC 2326, RFC 2250)."""

    def __init__(self, *streams: bytes) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/camera"
        self._thread = threading.Thread(target=self._serve, args=(streams,))
        self._thread.start()

    def _serve(self, streams: tuple[bytes, ...]) -> None:
        with self._listening:
            for stream in streams:
                client, _ = self._listening.accept()
                with client:
                    self._talk(client, stream)

    def _talk(self, client: socket.socket, stream: bytes) -> None:
        lines = client.makefile("rb")
        method = ""
        while method != "PLAY":
            method = lines.readline().decode().partition(" ")[0]
            if not method:
                return
            number = ""
            while header := lines.readline().decode().strip():
                name, _, value = header.partition(":")
                number = value.strip() if name.lower() == "cseq" else number
            body = SDP if method == "DESCRIBE" else ""
            head = f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{ANSWERS[method]}Content-Length: {len(body)}\r\n\r\n"
            client.sendall((head + body).encode())
        for number_sent, start in enumerate(range(0, len(stream), 7 * 188)):
            packet = (
                struct.pack(">BBHII", 0x80, 33, number_sent, number_sent * 3600, 7) + stream[start : start + 7 * 188]
            )
            client.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)

    def join(self) -> None:
        self._thread.join()


def test_an_rtsp_stream_that_breaks_off_is_connected_again(clips: Any) -> None:
    stream = clips.write("clip.ts", form="mpegts", gop=5).read_bytes()
    server = _Rtsp(stream[: len(stream) // 2], stream)
    with LiveVideo(server.url, reconnect=0.6) as video:
        with (
            pytest.warns(MediaWarning, match=r"rtsp://127\.0\.0\.1:\d+/camera "),
            pytest.raises(MediaError),
        ):
            list(video)
        times = list(video.timestamps)
    server.join()

    assert len(times) > 50
    assert times == sorted(set(times))
    assert 0.2 < max(b - a for a, b in pairwise(times)) < 5  # the pause is in the times


def test_without_reconnecting_a_break_is_the_end(clips: Any) -> None:
    server = _Rtsp(clips.write("clip.ts", form="mpegts").read_bytes())
    with LiveVideo(server.url, reconnect=0) as video:
        assert [clips.ordinal_of(frame) for frame in video][:30] == list(range(30))
    server.join()


def test_a_stream_that_comes_back_in_another_size_is_refused(clips: Any) -> None:
    streams = [clips.write(f"{n}.ts", form="mpegts", size=size) for n, size in enumerate([(96, 128), (64, 80)])]
    server = _Rtsp(*(stream.read_bytes() for stream in streams))
    with LiveVideo(server.url) as video, pytest.raises(MediaError, match=r"80x64 .*128x96"):
        list(video)
    server.join()


@pytest.mark.parametrize("raw", [False, True], ids=["a file", "raw frames"])
def test_standard_input(clips: Any, raw: bool) -> None:
    options = ""
    if raw:
        content = b"".join(clips.numbered(n, 16, 32).tobytes() for n in range(6)) + b"cut off"
        options = ", raw=RawFormat(width=32, height=16)"
    else:
        content = clips.write("clip.mkv", pts=range(6)).read_bytes()
    script = (
        "from masklet.io import RawFormat, open_video\n"
        f"with open_video('-'{options}) as video:\n"
        "    print(video.name, video.size, [frame.shape for frame in video][0], len(video.timestamps))"
    )
    run = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True, check=True)

    size = (16, 32) if raw else (96, 128)
    assert run.stdout.decode().strip() == f"standard input {size} {(*size, 3)} 6"
    assert (b"1 packets could not be decoded" in run.stderr) == raw


def test_a_raw_form_needs_standard_input_or_a_file() -> None:
    with pytest.raises(MediaError):
        open_video("camera:0", raw=RawFormat(width=32, height=16))


def test_a_password_is_never_shown() -> None:
    with pytest.raises(MediaError) as caught:
        open_video("rtsp://user:sesame@127.0.0.1:9/stream")

    assert "sesame" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(MediaError, match="camera:99"):
        open_video("camera:99")
    with pytest.raises(MediaError, match="camera:N"):
        open_video("camera:front")


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("camera:0", True),
        ("-", True),
        ("./-", False),
        ("rtsp://host/a", True),
        ("HTTPS://host/a.mp4", True),
        ("clip.mp4", False),
        ("http:.mp4", False),
        ("C:\\clip.mp4", False),
        ("file:///clip.mp4", False),
    ],
)
def test_what_is_an_address(source: str, live: bool) -> None:
    assert is_url(source) == live
