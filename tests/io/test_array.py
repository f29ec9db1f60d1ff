"""Arrays as videos."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import MediaError
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
