"""FFmpeg inputs, raw frames, and videos on a web server that supports range requests."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest

from masklet.errors import MediaError
from masklet.io import LiveVideo, MediaWarning, OverlayWriter, RawFormat, VideoFile, WebVideo, open_video
from masklet.io.result_builder import video_metadata
from masklet.io.source_url import supports_ranges
from masklet.types import FrameMasks


class _Server(ThreadingHTTPServer):
    """Serves a folder; what it does not do well can be said.

    Attributes:
        breaks_after: bytes after which it hangs up in the middle of an answer, or None.
        key: the only ``Authorization`` it accepts, or None.
        gone: whether every further request is refused.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Ranges)
        self.folder = folder
        self.breaks_after: int | None = None
        self.key: str | None = None
        self.gone = False
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Ranges(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        path = server.folder / Path(self.path.partition("?")[0]).name
        if server.gone or not path.is_file():
            return self.send_error(503 if server.gone else 404)
        if server.key is not None and self.headers["Authorization"] != server.key:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="clips"')
            self.send_header("Content-Length", "0")
            return self.end_headers()
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        start = int(asked[1]) if asked else 0
        stop = min(int(asked[2]) + 1 if asked and asked[2] else len(content), len(content))
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        sent = stop if server.breaks_after is None else min(stop, start + server.breaks_after)
        with contextlib.suppress(ConnectionError):  # who only wanted a part hangs up
            self.wfile.write(content[start:sent])
        return None


@pytest.fixture
def server(clips: Any) -> Iterator[_Server]:
    """The folder of clips, served on this machine."""
    with _Server(clips.folder) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("options", [{}, {"container_options": {"movflags": "faststart"}}], ids=["end", "start"])
def test_any_frame_of_a_file_on_a_server(clips: Any, server: _Server, options: dict[str, Any]) -> None:
    path = clips.write("clip.mp4", **options)
    with open_video(f"{server.url}/clip.mp4") as video, VideoFile(path) as local:
        assert isinstance(video, WebVideo)
        assert (len(video), video.size, video.fps) == (40, (96, 128), 25.0)
        assert list(video.timestamps) == list(local.timestamps)
        for index in (39, 3, 20, 0, -1):
            np.testing.assert_array_equal(video[index], local[index])
        for _ in range(2):
            assert [clips.ordinal_of(frame) for frame in video] == list(range(40))


def test_a_transfer_that_breaks_off_goes_on(clips: Any, server: _Server) -> None:
    path = clips.write("clip.mkv", codec="ffv1", pix_fmt="bgr0", b_frames=None)
    server.breaks_after = path.stat().st_size // 3
    with open_video(f"{server.url}/clip.mkv") as video:
        assert [clips.ordinal_of(frame) for frame in video] == list(range(40))


def test_a_server_that_goes_away_is_an_error_and_no_damage(clips: Any, server: _Server) -> None:
    path = clips.write("clip.mkv", codec="ffv1", pix_fmt="bgr0", b_frames=None, size=(192, 256))
    with open_video(f"{server.url}/clip.mkv?key=sesame") as video:
        server.breaks_after = path.stat().st_size // 2
        frames = iter(video)
        next(frames)
        server.gone = True
        with pytest.raises(MediaError, match=r"clip\.mkv\?\.\.\. ") as caught:
            list(frames)
    assert "sesame" not in str(caught.value)


def test_of_a_file_that_is_cut_the_good_frames_are_given(clips: Any, server: _Server) -> None:
    path = clips.write("clip.mkv", codec="ffv1", pix_fmt="bgr0", b_frames=None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    with (
        open_video(f"{server.url}/clip.mkv") as video,
        pytest.warns(MediaWarning, match=r"clip\.mkv .*29 "),
    ):
        assert [clips.ordinal_of(video[index]) for index in range(len(video))] == list(range(29))


def test_sound_and_name_come_along(clips: Any, server: _Server, tmp_path: Path) -> None:
    clips.sound("with sound.mp4")
    clip, sound = clips.write("clip.mp4", pts=range(10)), clips.folder / "with sound.mp4"
    both = clips.folder / "both.mkv"
    with av.open(str(clip)) as one, av.open(str(sound)) as other, av.open(str(both), "w") as container:
        streams: list[tuple[Any, Any]] = [(one, container.add_stream_from_template(one.streams.video[0]))]
        streams.append((other, container.add_stream_from_template(other.streams.audio[0])))
        for source, stream in streams:
            for packet in source.demux():
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
    with open_video(f"{server.url}/both.mkv?size=large") as video:
        assert video_metadata(video, 0)["video"] == "both.mkv"
        with OverlayWriter(tmp_path / "o.mp4", like=video) as writer:
            masks = np.zeros((0, *video.size), bool)
            nothing = np.zeros(0, np.float32)
            for index, frame in enumerate(video):
                writer.write(frame, FrameMasks(index, (), masks, presence=nothing, iou=nothing))
    with av.open(str(tmp_path / "o.mp4")) as written:
        assert len(written.streams.audio) == 1


def test_a_name_and_password_open_it_and_are_not_shown(clips: Any, server: _Server) -> None:
    clips.write("clip.mp4")
    server.key = "Basic " + base64.b64encode(b"me:open sesame").decode()
    address = server.url.replace("//", "//me:open%20sesame@")
    with open_video(f"{address}/clip.mp4") as video:
        assert len(video) == 40
        assert "sesame" not in video.name
    with pytest.raises(MediaError, match=r"http://me:\*\*\*@127\.0\.0\.1") as caught:
        open_video(f"{address.replace('open', 'shut')}/clip.mp4")
    assert "sesame" not in str(caught.value)


def test_a_playlist_is_live(clips: Any, server: _Server) -> None:
    clips.write("a.ts", form="mpegts", pts=range(20))
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:5", "#EXTINF:0.8,", "a.ts", "#EXT-X-ENDLIST", ""]
    (clips.folder / "list.m3u8").write_text("\n".join(lines))
    with open_video(f"{server.url}/list.m3u8") as video:
        assert isinstance(video, LiveVideo)
        assert [clips.ordinal_of(frame) for frame in video] == list(range(20))


def test_options_that_are_for_other_sources(clips: Any, server: _Server) -> None:
    clips.write("clip.mp4")
    with pytest.raises(MediaError):
        open_video(f"{server.url}/clip.mp4", fps=5)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.mp4", "http://[::1/a.mp4"])
def test_who_cannot_be_asked_sends_no_ranges(url: str) -> None:
    assert supports_ranges(url) is False


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("640x480", RawFormat(width=640, height=480)),
        ("640x480,bgr24", RawFormat(width=640, height=480, pixels="bgr24")),
        ("8x6:gray:30000/1001", RawFormat(width=8, height=6, pixels="gray", fps=Fraction(30000, 1001))),
        ("8x6,29.97", RawFormat(width=8, height=6, fps=Fraction("29.97"))),
    ],
)
def test_a_form_in_words(text: str, form: RawFormat) -> None:
    assert RawFormat.parse(text) == form


@pytest.mark.parametrize(
    "text", ["", "640", "640x", "0x5", "640x480,rgb99", "8x6,gray,0", "8x6,gray,9/0", "8x6,gray,1e9"]
)
def test_what_is_no_form(text: str) -> None:
    with pytest.raises(MediaError):
        RawFormat.parse(text)


@pytest.mark.parametrize("pixels", ["rgb24", "gray"])
def test_a_file_of_raw_frames_reads_in_order_and_at_random(clips: Any, tmp_path: Path, pixels: str) -> None:
    frames = np.stack([clips.numbered(n, 16, 64) for n in range(20)])
    stored = frames if pixels == "rgb24" else frames[..., 0]
    (tmp_path / "a.raw").write_bytes(stored.tobytes())
    form = RawFormat(width=64, height=16, pixels=pixels, fps=Fraction(10))

    with open_video(tmp_path / "a.raw", raw=form) as video:
        assert isinstance(video, VideoFile)
        assert (len(video), video.size, video.fps) == (20, (16, 64), 10)
        assert np.array_equal(np.stack(list(video))[..., 0], frames[..., 0])
        assert np.array_equal(video[13][..., 0], frames[13, ..., 0])
        assert video.timestamps[:3] == (0.0, 0.1, 0.2)


def test_a_frame_that_is_cut_is_left_out(clips: Any, tmp_path: Path) -> None:
    frames = np.stack([clips.numbered(n, 32, 64) for n in range(4)])
    (tmp_path / "a.raw").write_bytes(frames.tobytes()[:-100])

    with (
        pytest.warns(MediaWarning, match="3 "),
        open_video(tmp_path / "a.raw", raw=RawFormat(width=64, height=32)) as video,
    ):
        assert [clips.ordinal_of(frame) for frame in video] == [0, 1, 2]
