"""Arrays as videos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import FrameRangeError, MediaError
from masklet.io import ArrayVideo
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
        ([], "at least one frame"),
        ([np.zeros((6, 8, 3), np.uint8), np.zeros((6, 9, 3), np.uint8)], "8x6 as in frame 0, got 9x6 at frame 1"),
    ],
)
def test_what_is_no_video_is_refused(frames: list[np.ndarray], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        ArrayVideo(frames)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(fps: float) -> None:
    with pytest.raises(MediaError, match="more than 0 and at most 1000 frames per second, got"):
        ArrayVideo(np.zeros((2, 6, 8, 3), np.uint8), fps=fps)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("index", [1.5, "0", None])
def test_frames_are_asked_for_by_whole_numbers(index: Any) -> None:
    with pytest.raises(FrameRangeError, match="whole numbers, got"):
        ArrayVideo(np.zeros((2, 6, 8, 3), np.uint8))[index]


@pytest.mark.usefixtures("untyped_caller")
def test_numpy_counts_in_whole_numbers_too() -> None:
    index: Any = np.int64(-1)
    assert ArrayVideo(np.ones((2, 6, 8, 3), np.uint8))[index].max() == 1
