"""Arrays, folders of images, and animated or still image files as frame sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FrameRangeError, MediaError
from masklet.io import ArrayVideo, FolderVideo, ImageFile
from masklet.io.images import natural_key
from masklet.types import FrameSource


def test_an_array_is_a_video_that_is_never_changed() -> None:
    frames = np.arange(4, dtype=np.uint8)[:, None, None, None].repeat(6, 1).repeat(8, 2).repeat(3, 3)
    with ArrayVideo(frames, fps=2) as video:
        video[0][:] = 99
        for frame in video:
            frame[:] = 99

        assert [int(frame[0, 0, 0]) for frame in video] == [0, 1, 2, 3]
        assert (len(video), video.size, video.fps, list(video.timestamps)) == (4, (6, 8), 2, [0, 0.5, 1, 1.5])
        assert isinstance(video, FrameSource)


def test_a_list_of_frames_works_too() -> None:
    with ArrayVideo([np.zeros((6, 8, 3), np.uint8), np.ones((6, 8, 3), np.uint8)]) as video:
        assert int(video[-1].max()) == 1
        assert list(video.timestamps) == []


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "none"),
        ([np.zeros((6, 8, 3), np.uint8), np.zeros((6, 9, 3), np.uint8)], "8x6 .*9x6 .*1"),
    ],
)
def test_what_is_no_video_is_refused(frames: list[np.ndarray], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        ArrayVideo(frames)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(MediaError, match="1000"):
        ArrayVideo(np.zeros((2, 6, 8, 3), np.uint8), fps=fps)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("index", [1.5, "0", None])
def test_frames_are_asked_for_by_whole_numbers(index: Any) -> None:
    with pytest.raises(FrameRangeError, match=re.escape(repr(index))):
        ArrayVideo(np.zeros((2, 6, 8, 3), np.uint8))[index]


@pytest.mark.usefixtures("untyped_caller")
def test_numpy_counts_in_whole_numbers_too() -> None:
    index: Any = np.int64(-1)
    assert ArrayVideo(np.ones((2, 6, 8, 3), np.uint8))[index].max() == 1


def _gray(folder: Path, name: str, value: int, size: tuple[int, int] = (10, 6)) -> None:
    Image.new("RGB", size, (value, value, value)).save(folder / name)


def test_images_come_in_natural_order_whatever_their_names(tmp_path: Path) -> None:
    names = ["shot 1.png", "Shot 2.webp", "shot 10.BMP", "shot 11 é.jpg", "take1.tif"]
    for place in (3, 0, 4, 2, 1):
        _gray(tmp_path, names[place], place * 50)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._shot 1.png").write_bytes(b"left by another system")

    with FolderVideo(tmp_path) as video:
        assert [file.name for file in video.files] == names
        assert [round(float(frame.mean()) / 50) for frame in video] == [0, 1, 2, 3, 4]
        assert round(float(video[-1].mean()) / 50) == 4
        assert (len(video), video.size, video.fps, list(video.timestamps)) == (5, (6, 10), None, [])
        assert isinstance(video, FrameSource)
        with pytest.raises(FrameRangeError, match="5"):
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


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    for place in range(3):
        _gray(tmp_path, f"{place}.png", 0, size=(10, 7) if place == 2 else (10, 6))

    with pytest.raises(MediaError, match=r"10x6 .*0\.png.*10x7.*2\.png"):
        FolderVideo(tmp_path)


def test_an_unreadable_image_is_named(tmp_path: Path) -> None:
    _gray(tmp_path, "0.png", 0)
    (tmp_path / "1.png").write_bytes(b"no image")

    with pytest.raises(MediaError, match=r"1\.png"):
        FolderVideo(tmp_path)


def test_an_image_damaged_behind_its_header_is_named_when_it_is_read(tmp_path: Path) -> None:
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
    with pytest.raises(MediaError):
        FolderVideo(tmp_path / "nowhere")


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

    with ImageFile(tmp_path / name) as video:
        assert [round(int(frame[4, 4, 0]) / 30) for frame in video] == [0, 1, 2, 3, 4, 5]
        assert [round(int(video[index][4, 4, 0]) / 30) for index in (5, 0, 3, 1)] == [5, 0, 3, 1]
        assert (len(video), video.size, video.fps) == (6, (8, 12), 10)
        np.testing.assert_allclose(video.timestamps, [0, 0.1, 0.2, 0.5, 0.6, 0.7])


def test_a_still_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (12, 8), (200, 0, 0)).save(tmp_path / "a.jpg", exif=exif)

    with ImageFile(tmp_path / "a.jpg") as video:
        assert (len(list(video)), len(video), video.size, video.fps) == (1, 1, (12, 8), None)
        assert list(video.timestamps) == []


def test_the_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    first, *rest = _frames(3)
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)

    with ImageFile(tmp_path / "a.tif") as video:
        assert [int(frame[0, 0, 0]) for frame in video] == [0, 30, 60]


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    first, second = _frames(2)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second.resize((20, 8))])

    with ImageFile(tmp_path / "a.tif") as video, pytest.raises(MediaError, match=r"12x8 .*20x8"):
        list(video)


def test_a_cut_animation_is_a_media_error(tmp_path: Path) -> None:
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (40, 40, 3), dtype=np.uint8)) for n in range(4)]
    noise[0].save(tmp_path / "a.webp", save_all=True, append_images=noise[1:], duration=100, lossless=True)
    path = tmp_path / "cut.webp"
    path.write_bytes((tmp_path / "a.webp").read_bytes()[:6000])

    with pytest.raises(MediaError, match=r"cut\.webp"):
        list(ImageFile(path))
