"""Folders of pictures as videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FrameRangeError, MediaError
from masklet.io import FolderVideo
from masklet.io.folder import natural_key
from masklet.types import FrameSource


def _gray(folder: Path, name: str, value: int, size: tuple[int, int] = (10, 6)) -> None:
    Image.new("RGB", size, (value, value, value)).save(folder / name)


def test_pictures_come_in_natural_order_whatever_their_names(tmp_path: Path) -> None:
    names = ["shot 1.png", "Shot 2.webp", "shot 10.BMP", "shot 11 é.jpg", "take1.tif"]
    for place in (3, 0, 4, 2, 1):
        _gray(tmp_path, names[place], place * 50)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "._shot 1.png").write_bytes(b"left by another system")

    with FolderVideo(tmp_path) as video:
        assert [file.name for file in video.files] == names
        assert [round(float(frame.mean()) / 50) for frame in video] == [0, 1, 2, 3, 4]
        assert round(float(video[-1].mean()) / 50) == 4
        assert (len(video), video.size, video.fps, list(video.timestamps)) == (5, (6, 10), None, [])
        assert isinstance(video, FrameSource)
        with pytest.raises(FrameRangeError, match="frame 5 is outside"):
            video[5]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["f2b10", "f2a", "f10", "f2b9"], ["f2a", "f2b9", "f2b10", "f10"]),
        (["b", "A", "a"], ["A", "a", "b"]),
        (["7", "x", "007"], ["007", "7", "x"]),
    ],
)
def test_natural_order(names: list[str], expected: list[str]) -> None:
    assert sorted(names, key=natural_key) == expected


def test_a_frame_rate_gives_times(tmp_path: Path) -> None:
    for place in range(3):
        _gray(tmp_path, f"{place}.png", 0)

    assert list(FolderVideo(tmp_path, fps=10).timestamps) == [0.0, 0.1, 0.2]


def test_sizes_are_compared_as_displayed(tmp_path: Path) -> None:
    _gray(tmp_path, "1.png", 0, size=(10, 6))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 10)).save(tmp_path / "2.jpg", exif=exif)

    with FolderVideo(tmp_path) as video:
        assert video[1].shape == (6, 10, 3)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    for place in range(3):
        _gray(tmp_path, f"{place}.png", 0, size=(10, 7) if place == 2 else (10, 6))

    with pytest.raises(MediaError, match=r"10x6 as 0\.png, got 10x7: .*2\.png"):
        FolderVideo(tmp_path)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    _gray(tmp_path, "0.png", 0)
    (tmp_path / "1.png").write_bytes(b"no picture")

    with pytest.raises(MediaError, match=r"1\.png"):
        FolderVideo(tmp_path)


def test_a_picture_damaged_behind_its_header_is_named_when_it_is_read(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8))
    noise.save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:3000])

    with FolderVideo(tmp_path) as video:
        assert video[0].shape == (60, 80, 3)
        with pytest.raises(MediaError, match=r"1\.png"):
            video[1]
        with pytest.raises(MediaError, match=r"1\.png"):
            list(video)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="found nothing"):
        FolderVideo(tmp_path / "nowhere")
