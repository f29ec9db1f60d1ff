"""Cameras and addresses, with a server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from masklet.errors import MediaError
from masklet.io import LiveVideo, open_video
from masklet.io.live import is_live
from masklet.types import FrameSource


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name in the base class
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
        with pytest.raises(TypeError, match="live"):
            len(video)
        with pytest.raises(TypeError, match="live"):
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

    with pytest.raises(MediaError, match="not a video"):
        open_video(f"{server}/page.html")
    with pytest.raises(MediaError, match="cannot open"):
        open_video(f"{server}/nowhere.mp4")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(MediaError) as caught:
        open_video("rtsp://user:sesame@127.0.0.1:9/stream")

    assert "sesame" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(MediaError, match="camera:99"):
        open_video("camera:99")
    with pytest.raises(MediaError, match="expected camera:N"):
        open_video("camera:front")


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("camera:0", True),
        ("rtsp://host/a", True),
        ("HTTPS://host/a.mp4", True),
        ("clip.mp4", False),
        ("http:.mp4", False),
        ("C:\\clip.mp4", False),
        ("file:///clip.mp4", False),
    ],
)
def test_what_is_live(source: str, live: bool) -> None:
    assert is_live(source) == live
