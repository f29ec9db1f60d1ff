"""Animated and still picture files as videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import MediaError
from masklet.io import PictureFile


def _frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (12, 8), (30 * place, 0, 0)) for place in range(count)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", {"disposal": 1}),
        ("a.webp", {"lossless": True}),
        ("a.png", {}),
    ],
)
def test_an_animation_is_a_video(tmp_path: Path, name: str, options: Any) -> None:
    first, *rest = _frames(6)
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=[100, 100, 300, 100, 100, 100], **options)

    with PictureFile(tmp_path / name) as video:
        assert [round(int(frame[4, 4, 0]) / 30) for frame in video] == [0, 1, 2, 3, 4, 5]
        assert [round(int(video[index][4, 4, 0]) / 30) for index in (5, 0, 3, 1)] == [5, 0, 3, 1]
        assert (len(video), video.size, video.fps) == (6, (8, 12), 10)
        np.testing.assert_allclose(video.timestamps, [0, 0.1, 0.2, 0.5, 0.6, 0.7])


def test_a_still_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 8), (200, 0, 0)).save(tmp_path / "a.jpg", exif=exif)

    with PictureFile(tmp_path / "a.jpg") as video:
        assert (len(list(video)), len(video), video.size, video.fps) == (1, 1, (12, 8), None)
        assert list(video.timestamps) == []


def test_the_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    first, *rest = _frames(3)
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)

    with PictureFile(tmp_path / "a.tif") as video:
        assert [int(frame[0, 0, 0]) for frame in video] == [0, 30, 60]


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    first, second = _frames(2)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second.resize((20, 8))])

    with PictureFile(tmp_path / "a.tif") as video, pytest.raises(MediaError, match="12x8 as the first, got 20x8"):
        list(video)


def test_a_cut_animation_is_a_media_error(tmp_path: Path) -> None:
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (40, 40, 3), dtype=np.uint8)) for n in range(4)]
    noise[0].save(tmp_path / "a.webp", save_all=True, append_images=noise[1:], duration=100, lossless=True)
    path = tmp_path / "cut.webp"
    path.write_bytes((tmp_path / "a.webp").read_bytes()[:6000])

    with pytest.raises(MediaError, match=r"cut\.webp"):
        list(PictureFile(path))
