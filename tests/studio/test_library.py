"""Media: uploads that are taken or refused, local files within bounds, folders, frames."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import MediaError
from masklet.studio.library import content_key, safe_name
from masklet.studio.serve import open_media
from masklet.studio.settings import Settings


def png(width: int = 40, height: int = 30, shade: int = 90) -> bytes:
    """A picture as a file."""
    data = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), shade, np.uint8)).save(data, "PNG")
    return data.getvalue()


def stored(studio: Any) -> list[str]:
    """What lies in the folder of uploads."""
    return sorted(path.name for path in studio.services.settings.media.iterdir())


def test_a_video_is_uploaded_and_removed(studio: Any, video_file: Path) -> None:
    before = stored(studio)
    content = video_file.read_bytes()
    media = studio.call("POST", "media", 201, params={"name": "../../tmp/my clip.mp4"}, content=content)
    assert (media["name"], media["kind"], media["num_frames"]) == (".._.._tmp_my clip.mp4", "video", 12)
    assert (media["width"], media["height"], media["fps"], media["uploaded"]) == (72, 48, 25.0, True)
    assert len(stored(studio)) == len(before) + 1
    project = studio.call("POST", "projects", 201, json={"media_id": media["id"]})
    assert studio.refused("DELETE", f"media/{media['id']}")[:2] == (409, "ConflictError")
    studio.call("DELETE", f"projects/{project['id']}", 204)
    studio.call("DELETE", f"media/{media['id']}", 204)
    assert stored(studio) == before
    assert studio.refused("GET", f"media/{media['id']}")[:2] == (404, "NotFoundError")


def test_a_picture_is_a_media_of_one_frame(studio: Any) -> None:
    media = studio.call("POST", "media", 201, params={"name": "leaf.png"}, content=png())
    assert (media["kind"], media["num_frames"], media["fps"]) == ("image", 1, None)
    project = studio.call("POST", "projects", 201, json={"media_id": media["id"], "name": "leaf"})["id"]
    assert studio.click(project, 0, 5, 5)["frame"]["objects"]["1"]["prompted"]
    assert studio.call("GET", f"media/{media['id']}/timestamps") == {"start": 0, "timestamps": []}


def test_a_folder_of_pictures_is_uploaded_one_by_one(studio: Any) -> None:
    folder = studio.call("POST", "folders", 201, json={"name": "cells"})["id"]
    for index in (10, 9, 1):
        studio.call("PUT", f"folders/{folder}/cell {index}.png", 204, content=png(shade=index * 10))
    assert studio.refused("PUT", f"folders/{folder}/notes.txt", content=b"x")[:2] == (415, "MediaError")
    assert studio.refused("PUT", f"folders/{folder}/.name", content=b"x")[:2] == (415, "MediaError")
    media = studio.call("POST", f"folders/{folder}/close", 201)
    assert (media["name"], media["kind"], media["num_frames"]) == ("cells", "folder", 3)
    shades = []
    for index in range(3):
        answer = studio.client.get(f"/api/media/{media['id']}/frames/{index}")
        shades.append(round(int(np.asarray(Image.open(io.BytesIO(answer.content))).mean()), -1))
    assert shades == [10, 90, 100]  # natural order of names
    assert studio.refused("POST", f"folders/{folder}/close")[:2] == (404, "NotFoundError")


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("notes.txt", b"hello", 415, "suffix"),
        ("clip.mp4", b"", 415, "empty"),
        ("clip.mp4", b"\x00\x01garbage" * 50, 415, "clip.mp4"),
        ("clip.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", 415, "text file"),
        ("clip.mp4", b"ffconcat version 1.0\nfile 'other.mp4'\n", 415, "text file"),
        ("picture.png", png()[:60], 415, "picture"),
        ("clip", b"x", 415, "suffix"),
    ],
)
def test_bad_uploads_leave_nothing(studio: Any, name: str, content: bytes, status: int, words: str) -> None:
    before = stored(studio)
    code, kind, message = studio.refused("POST", "media", params={"name": name}, content=content)
    assert (code, kind) == (status, "MediaError")
    assert words in message
    assert str(studio.services.settings.folder) not in message
    assert stored(studio) == before


def test_uploads_are_bounded(start: Any, tmp_path: Path, video_file: Path) -> None:
    small = start(Settings(folder=tmp_path, upload_bytes=1000, folder_files=2))
    content = video_file.read_bytes()
    assert small.refused("POST", "media", params={"name": "a.mp4"}, content=content)[:2] == (413, "UploadError")
    chunks = (content[place : place + 400] for place in range(0, 4000, 400))  # without a length
    assert small.refused("POST", "media", params={"name": "a.mp4"}, content=chunks)[:2] == (413, "UploadError")
    assert stored(small) == []
    folder = small.call("POST", "folders", 201, json={"name": "many"})["id"]
    for index in range(2):
        small.call("PUT", f"folders/{folder}/{index}.png", 204, content=png())
    assert small.refused("PUT", f"folders/{folder}/2.png", content=png())[:2] == (413, "UploadError")


def test_only_what_was_offered_is_opened(start: Any, tmp_path: Path, video_file: Path) -> None:
    offered, outside = tmp_path / "offered", tmp_path / "outside"
    offered.mkdir()
    outside.mkdir()
    (outside / "secret.mp4").write_bytes(video_file.read_bytes())
    (offered / "clip.mp4").write_bytes(video_file.read_bytes())
    (offered / "notes.txt").write_text("no media")
    (offered / "link.mp4").symlink_to(outside / "secret.mp4")
    studio = start(Settings(folder=tmp_path / "studio", offered=(offered,)))
    listed = studio.call("GET", "local")["files"]
    assert {entry["name"]: entry["kind"] for entry in listed} == {"clip.mp4": "file", "link.mp4": "file"}
    media = studio.call("POST", "local", 201, json={"path": str(offered / "clip.mp4")})
    assert studio.call("POST", "local", 201, json={"path": str(offered / "clip.mp4")}) == media  # listed once
    assert "path" not in media
    for path in (
        outside / "secret.mp4",
        offered / ".." / "outside" / "secret.mp4",
        offered / "link.mp4",
        offered / "notes.txt",
        Path(os.sep) / "etc" / "passwd",
    ):
        assert studio.refused("POST", "local", json={"path": str(path)})[:2] == (404, "NotFoundError")


def on_a_copy(start: Any, tmp_path: Path, video_file: Path) -> tuple[Any, Path, str]:
    """A studio, a clip that it offers, and a project on it."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(video_file.read_bytes())
    studio = start(Settings(folder=tmp_path / "studio", offered=(clip,)))
    studio.media = studio.call("POST", "local", 201, json={"path": str(clip)})["id"]
    project = studio.project()
    return studio, clip, project


def test_a_media_that_is_gone_is_told(start: Any, tmp_path: Path, video_file: Path) -> None:
    studio, clip, project = on_a_copy(start, tmp_path, video_file)
    clip.unlink()
    said = {"object_id": 0, "clicks": [{"x": 1, "y": 1}]}
    status, kind, message = studio.refused("POST", f"projects/{project}/frames/0/prompts", json=said)
    assert (status, kind) == (415, "MediaError")
    assert "clip.mp4" in message


def test_content_key(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"one")
    first = content_key(file)
    assert content_key(file) == first
    file.write_bytes(b"another")
    assert content_key(file) != first


def test_where_a_picture_lies_is_not_told(start: Any, tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    for index in range(2):
        (folder / f"{index}.png").write_bytes(png())
    studio = start(Settings(folder=tmp_path / "studio", offered=(folder,)))
    studio.media = studio.call("POST", "local", 201, json={"path": str(folder)})["id"]
    project = studio.project()
    (folder / "1.png").write_bytes(b"damaged")
    job = studio.finished(studio.call("POST", f"projects/{project}/exports", 202, json={"format": "overlay.png"}))
    message = studio.refused("GET", f"media/{studio.media}/frames/1")[2]
    for told in (message, job["error"]["message"]):
        assert f"cells{os.sep}1.png" in told
        assert str(tmp_path) not in told


def test_another_file_in_its_place_is_told(start: Any, tmp_path: Path, video_file: Path) -> None:
    studio, clip, project = on_a_copy(start, tmp_path, video_file)
    clip.touch()  # the same under another date
    assert studio.client.get(f"/api/media/{studio.media}/frames/0").status_code == 200
    studio.services.frame_server.close_media(studio.media)
    studio.services.frame_server.cache.expire(time.monotonic() + 1)
    clip.write_bytes(png())
    said = {"object_id": 0, "clicks": [{"x": 1, "y": 1}]}
    status, kind, message = studio.refused("POST", f"projects/{project}/frames/1/prompts", json=said)
    assert (status, kind) == (415, "MediaError")
    assert "expected 12 frames of 72x48, got 1 frames of 40x30" in message
    job = studio.finished(studio.call("POST", f"projects/{project}/exports", 202, json={"format": "rle.json"}))
    assert (job["state"], job["error"]["message"]) == ("failed", message)


def test_long_names(studio: Any, video_file: Path) -> None:
    """Systems allow 255 bytes; these are 300."""
    long = "漢" * 100
    content = video_file.read_bytes()
    media = studio.call("POST", "media", 201, params={"name": f"{long}.mp4"}, content=content)
    assert media["name"] == f"{long}.mp4"
    project = studio.call("POST", "projects", 201, json={"media_id": media["id"]})["id"]
    studio.click(project, 0, 15, 16)
    for form in ("rle.json", "davis", "overlay.mp4"):
        order = {"format": form, "start": 0, "end": 2}
        job = studio.finished(studio.call("POST", f"projects/{project}/exports", 202, json=order))
        assert (job["state"], job["error"]) == ("done", None)
        assert studio.client.get(job["result"]["url"]).status_code == 200
    folder = studio.call("POST", "folders", 201, json={"name": long})["id"]
    for index in (10, 9):
        studio.call("PUT", f"folders/{folder}/{long[:90]}{index}.png", 204, content=png(shade=index))
    media = studio.call("POST", f"folders/{folder}/close", 201)
    assert media["num_frames"] == 2
    first = Image.open(io.BytesIO(studio.client.get(f"/api/media/{media['id']}/frames/0").content))
    assert np.asarray(first).mean() < 9.5  # in the order of their numbers


def test_names_that_are_no_text_are_not_offered(start: Any, tmp_path: Path, video_file: Path) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    (offered / "clip.mp4").write_bytes(video_file.read_bytes())
    odd = Path(os.fsdecode(os.fsencode(offered) + b"/caf\xe9.mp4"))
    try:
        odd.write_bytes(video_file.read_bytes())
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    studio = start(Settings(folder=tmp_path / "studio", offered=(offered, odd)))
    assert [entry["name"] for entry in studio.call("GET", "local")["files"]] == ["clip.mp4"]
    with pytest.raises(MediaError):
        open_media(studio.app, [odd])


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("漢" * 100, "漢" * 60),
        ("dog", "dog"),
        ("../a/b", "_a_b"),
        ('x"; rm -rf', "x_ rm -rf"),
        ("...", "file"),
        ("é ü", "é ü"),
    ],
)
def test_safe_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe
