"""What `open_video` takes, and what it refuses in one line."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.stream
import numpy as np
import pytest
from PIL import Image

from masklet.errors import MediaError
from masklet.io import ArrayVideo, FolderVideo, ImageFile, VideoFile, open_video


def test_the_kind_of_source_is_seen_from_what_it_is(clips: Any, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.new("RGB", (8, 6)).save(folder / "a.png")
    still = tmp_path / "named-as-a-video.mp4"
    Image.new("RGB", (8, 6)).save(still, format="JPEG")
    clip = clips.write().rename(tmp_path / "named-as-a-picture.jpg")

    for source, kind in (
        (clip, VideoFile),
        (str(clip), VideoFile),
        (folder, FolderVideo),
        (still, ImageFile),
        (np.zeros((2, 6, 8, 3), np.uint8), ArrayVideo),
        ([np.zeros((6, 8, 3), np.uint8)] * 2, ArrayVideo),
    ):
        with open_video(source) as video:
            assert type(video) is kind


@pytest.mark.parametrize("name", ["a:b.mp4", "100%d.mp4", "ünï cödé.mp4", "-x.mp4", "http:.mp4", "concat:a|b.mp4"])
def test_names_that_look_like_something_else_are_files(clips: Any, name: str) -> None:
    path = clips.write("clip.mp4", pts=range(5)).rename(clips.folder / name)
    with open_video(path) as video:
        assert len(list(video)) == 5


def _text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("this is no video\n" * 200)
    return path


def _plain_text(folder: Path) -> Path:
    path = folder / "notes.txt"
    path.write_text("this is no video\n" * 200)
    return path


def _archive(folder: Path) -> Path:
    path = folder / "archive.mp4"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello" * 1000)
    return path


def _playlist(folder: Path) -> Path:
    path = folder / "playlist.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    return path


def _empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def _empty_folder(folder: Path) -> Path:
    (folder / "nothing").mkdir()
    (folder / "nothing" / "readme.txt").write_text("no images")
    return folder / "nothing"


def _noise(folder: Path) -> Path:
    path = folder / "noise.avi"
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    return path


BAD: list[tuple[Callable[[Path], Path], str]] = [
    (lambda folder: folder / "nowhere.mp4", r"nowhere\.mp4"),
    (lambda folder: folder / ("x" * 300), "File name too long"),
    (lambda folder: folder / "zero\0byte.mp4", "null"),
    (_text, r"text\.mp4"),
    (_plain_text, r"notes\.txt"),
    (_archive, r"archive\.mp4"),
    (_playlist, "playlist"),
    (_empty, "empty"),
    (_noise, "noise.avi"),
    (_empty_folder, "nothing"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_what_is_no_video_is_one_line(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(MediaError, match=message) as caught:
        open_video(make(tmp_path))

    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("given", [None, 3, b"dog.mp4"])
def test_what_is_no_name_is_refused(given: Any) -> None:
    with pytest.raises(MediaError, match=type(given).__name__):
        open_video(given)


def test_sound_alone_is_no_video(clips: Any) -> None:
    with pytest.raises(MediaError, match=r"\.(mp4|m4a)"):
        open_video(clips.sound())


def test_a_cover_image_is_no_video(clips: Any) -> None:
    path = clips.folder / "song.m4a"
    with av.open(str(clips.sound())) as sound, av.open(str(path), "w", format="mp4") as container:
        out = container.add_stream_from_template(sound.streams.audio[0])
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 96, 128, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in sound.demux():
            if packet.size:
                packet.stream = out
                container.mux(packet)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(clips.numbered(1))))
        container.mux(cover.encode(None))

    with pytest.raises(MediaError, match=r"\.(mp4|m4a)"):
        open_video(path)


def test_a_file_without_its_index_cannot_be_opened(clips: Any) -> None:
    path = clips.write()
    path.write_bytes(path.read_bytes()[:2000])

    with pytest.raises(MediaError):
        open_video(path)


def test_no_image_that_can_be_decoded(clips: Any) -> None:
    path = clips.write("clip.avi", codec="mpeg4", b_frames=None, pts=range(3))
    content = path.read_bytes()
    start = content.index(b"movi") + 4
    path.write_bytes(content[:start] + content[start : start + 8] + b"\xff" * 500)

    with pytest.raises(MediaError, match=r"clip\.avi"):
        open_video(path)
