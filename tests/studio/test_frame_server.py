"""Frames as pictures: sizes, forms, caching."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.io import open_video
from masklet.studio.frame_server import FrameServer, ImageFormat, MediaFrames, encode_image


def picture(answer: Any) -> Image.Image:
    """The picture of an answer."""
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_frames_are_those_of_the_video(studio: Any, video_file: Path) -> None:
    with open_video(video_file) as video:
        frames = np.stack(list(video)).astype(int)
    for index in (0, 11, 7):
        answer = studio.client.get(f"/api/media/{studio.media}/frames/{index}", params={"quality": 100})
        distance = np.abs(frames - np.asarray(picture(answer).convert("RGB"))).mean(axis=(1, 2, 3))
        assert distance.argmin() == index
        assert distance[index] < 8  # halved colors of a JPEG


def test_sizes_and_forms(studio: Any) -> None:
    path = f"/api/media/{studio.media}/frames/3"
    assert picture(studio.client.get(path)).size == (72, 48)
    assert picture(studio.client.get(path, params={"width": 4000})).size == (72, 48)
    webp = studio.client.get(path, params={"format": "webp"})
    assert (webp.headers["content-type"], picture(webp).format) == ("image/webp", "WEBP")
    pixels = np.zeros((300, 900, 3), np.uint8)
    assert Image.open(io.BytesIO(encode_image(pixels, width=320, quality=50, image_format="jpeg"))).size == (320, 107)
    for query in ({"width": 3}, {"quality": 0}, {"format": "png"}, {"height": 5}):
        assert studio.refused("GET", path.removeprefix("/api/"), params=query)[:2] == (422, "RequestError")
    assert studio.refused("GET", f"media/{studio.media}/frames/12")[:2] == (404, "FrameRangeError")


@pytest.mark.parametrize(("form", "size"), [("jpeg", (65_500, 2)), ("webp", (16_383, 1))])
def test_a_picture_that_no_form_can_hold_is_shrunk(form: ImageFormat, size: tuple[int, int]) -> None:
    for pixels in (np.zeros((2, 70_000, 3), np.uint8), np.zeros((70_000, 2, 3), np.uint8)):
        shown = Image.open(io.BytesIO(encode_image(pixels, width=None, quality=50, image_format=form)))
        assert shown.size == (size if pixels.shape[1] > 2 else size[::-1])


def test_browsers_keep_pictures(studio: Any) -> None:
    media = studio.call("GET", f"media/{studio.media}")
    path = f"/api/media/{studio.media}/frames/3"
    kept = studio.client.get(path, params={"v": media["version"]})
    assert "immutable" in kept.headers["cache-control"]
    assert "no-cache" in studio.client.get(path).headers["cache-control"]
    again = studio.client.get(path, headers={"If-None-Match": kept.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_timestamps(studio: Any) -> None:
    answer = studio.call("GET", f"media/{studio.media}/timestamps", params={"start": 2, "end": 5})
    assert answer["start"] == 2
    assert np.allclose(answer["timestamps"], [0.08, 0.12, 0.16])


def test_few_media_stay_open(studio: Any) -> None:
    row = studio.services.store.media(studio.media)
    server = FrameServer(max_open=1)
    source = server.source(row)
    assert server.source(row) is source
    source.close()  # as another call does that needs the place
    server.close_media(row.id)
    assert server.frame(row, 0).shape == (48, 72, 3)
    server.close()


def test_frames_are_cached_within_bounds() -> None:
    cache = FrameServer(frame_bytes=30).cache
    for index in range(3):
        cache.put(("m", index), np.full((2, 2, 3), index, np.uint8))
    assert [None if (kept := cache.get(("m", i))) is None else int(kept[0, 0, 0]) for i in range(3)] == [None, 1, 2]
    assert cache.get(("other", 1)) is None


def test_media_that_nobody_looks_at_are_closed(studio: Any) -> None:
    row = studio.services.store.media(studio.media)
    server = FrameServer()
    source = server.source(row)
    assert not server.expire(time.monotonic() - 100)
    assert server.source(row) is source
    assert server.expire(time.monotonic() + 100)
    assert server.source(row) is not source
    server.close()


def test_a_tracker_reads_where_people_look_and_onward_by_itself(studio: Any) -> None:
    row = studio.services.store.media(studio.media)
    server = FrameServer()
    frames = MediaFrames(row, server)
    shown = server.frame(row, 5)
    assert (len(frames), frames.size, frames.fps) == (12, (48, 72), 25.0)
    assert frames[5] is shown
    assert frames[4] is server.cache.get((row.id, 4))
    with frames.sequential():
        assert frames[5] is shown
        onward = list(frames)
        assert server.cache.get((row.id, 6)) is None
    assert len(onward) == 12
    assert np.array_equal(onward[6], server.frame(row, 6))
    server.close()
