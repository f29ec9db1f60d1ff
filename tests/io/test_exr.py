"""OpenEXR: linear light, windows, layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from masklet.errors import MediaError
from masklet.io import StackVideo, open_video, read_image


def _write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    settings = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    with OpenEXR.File(settings, channels) as file:
        file.write(str(path))
    return path


def test_light_gets_the_curve_of_a_screen(tmp_path: Path) -> None:
    light = np.zeros((4, 6, 3), np.float16)
    light[0, :4] = np.array([[0.2158605] * 3, [1, 0, 0], [7, 7, 7], [np.nan, 1, np.inf]])
    image = read_image(_write(tmp_path / "a.exr", {"RGB": light}))

    assert image.shape == (4, 6, 3)
    assert image[0, :4].tolist() == [[128] * 3, [255, 0, 0], [255] * 3, [0, 255, 255]]


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(None, [255, 0, 0]), ("Z", [255] * 3), (["glow.B", "glow.G", "glow.R"], [0, 128, 255])],
)
def test_layers_are_chosen_by_name(tmp_path: Path, channels: Any, expected: list[int]) -> None:
    def plane(value: float) -> np.ndarray:
        return np.full((4, 6), value, np.float32)

    layers = {"R": 1.0, "G": 0.0, "B": 0.0, "Z": 10.0, "glow.R": 1.0, "glow.G": 0.2158605, "glow.B": 0.0}
    path = _write(tmp_path / "a.exr", {name: plane(value) for name, value in layers.items()})

    assert read_image(path, channels=channels)[2, 2].tolist() == expected


@pytest.mark.parametrize(("left", "top"), [(1, 2), (-2, -1), (-1, 2)])
def test_the_data_lie_in_the_display_window(tmp_path: Path, left: int, top: int) -> None:
    data = np.linspace(0.1, 1, 4 * 5, dtype=np.float32).reshape(4, 5)
    window = (np.array([left, top], np.int32), np.array([left + 4, top + 3], np.int32))
    display = (np.array([0, 0], np.int32), np.array([5, 4], np.int32))
    path = _write(tmp_path / "a.exr", {"Y": data}, dataWindow=window, displayWindow=display)
    expected = np.zeros((5, 6), np.float32)
    for y, x in np.ndindex(4, 5):
        if 0 <= y + top < 5 and 0 <= x + left < 6:
            expected[y + top, x + left] = data[y, x]

    shown = read_image(path, scale=(0, 1))[..., 0]

    assert shown.shape == (5, 6)
    assert np.array_equal(shown > 0, expected > 0)
    assert np.array_equal(np.argsort(shown, axis=None, kind="stable"), np.argsort(expected, axis=None, kind="stable"))


def test_a_folder_is_a_video(tmp_path: Path) -> None:
    for number in (9, 10, 11):
        _write(tmp_path / f"shot.{number}.exr", {"RGB": np.full((4, 6, 3), (number - 9) / 2, np.float16)})

    with open_video(tmp_path, fps=24) as video:
        assert isinstance(video, StackVideo)
        assert list(video.frame_names) == ["shot.9.exr", "shot.10.exr", "shot.11.exr"]
        assert [int(frame[0, 0, 0]) for frame in video] == [0, 188, 255]
        assert int(video[1][0, 0, 0]) == 188
        assert video.fps == 24


def test_files_that_differ_are_named(tmp_path: Path) -> None:
    _write(tmp_path / "1.exr", {"RGB": np.zeros((4, 6, 3), np.float16)})
    _write(tmp_path / "2.exr", {"Y": np.zeros((4, 6), np.float16)})

    with pytest.raises(MediaError, match=r"6x4 with 3 .*6x4 with 1 .*2\.exr"):
        open_video(tmp_path)


def test_a_cut_file_is_one_media_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((60, 80, 3)).astype(np.float32)
    path = _write(tmp_path / "a.exr", {"RGB": noise})
    for length in (10, 300, 9000):
        (tmp_path / "cut.exr").write_bytes(path.read_bytes()[:length])
        with pytest.raises(MediaError, match=r"cut\.exr") as caught:
            read_image(tmp_path / "cut.exr")
        assert "\n" not in str(caught.value)
