"""Frames without any header."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import MediaError
from masklet.io import MediaWarning, RawForm, VideoFile, open_video


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("640x480", RawForm(width=640, height=480)),
        ("640x480,bgr24", RawForm(width=640, height=480, pixels="bgr24")),
        ("8x6:gray:30000/1001", RawForm(width=8, height=6, pixels="gray", fps=Fraction(30000, 1001))),
        ("8x6,29.97", RawForm(width=8, height=6, fps=Fraction("29.97"))),
    ],
)
def test_a_form_in_words(text: str, form: RawForm) -> None:
    assert RawForm.parse(text) == form


@pytest.mark.parametrize(
    "text", ["", "640", "640x", "0x5", "640x480,rgb99", "8x6,gray,0", "8x6,gray,9/0", "8x6,gray,1e9"]
)
def test_what_is_no_form(text: str) -> None:
    with pytest.raises(MediaError, match="expected"):
        RawForm.parse(text)


@pytest.mark.parametrize("pixels", ["rgb24", "gray"])
def test_a_file_of_raw_frames_reads_in_order_and_at_random(clips: Any, tmp_path: Path, pixels: str) -> None:
    frames = np.stack([clips.numbered(n, 16, 64) for n in range(20)])
    stored = frames if pixels == "rgb24" else frames[..., 0]
    (tmp_path / "a.raw").write_bytes(stored.tobytes())
    form = RawForm(width=64, height=16, pixels=pixels, fps=Fraction(10))

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
        pytest.warns(MediaWarning, match="3 frames"),
        open_video(tmp_path / "a.raw", raw=RawForm(width=64, height=32)) as video,
    ):
        assert [clips.ordinal_of(frame) for frame in video] == [0, 1, 2]
