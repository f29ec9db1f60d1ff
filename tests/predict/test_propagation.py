"""Frame ranges of tracking passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FrameRangeError, MediaError, PromptError
from masklet.io import ArrayVideo
from masklet.predict.propagation import Direction, Pass, invalidated_frames, plan_passes, recorded_length

PROMPTED = {1: [4], 2: [7, 9]}


@pytest.mark.parametrize(
    ("direction", "start", "end", "expected"),
    [
        ("forward", None, None, [Pass(range(4, 12), reverse=False)]),
        ("forward", 2, 6, [Pass(range(2, 6), reverse=False)]),
        ("reverse", None, None, [Pass(range(9, -1, -1), reverse=True)]),
        ("reverse", 1, 12, [Pass(range(11, 0, -1), reverse=True)]),
        ("both", None, None, [Pass(range(4, 12), reverse=False), Pass(range(6, -1, -1), reverse=True, fill=True)]),
        ("both", 8, 12, [Pass(range(8, 12), reverse=False)]),
    ],
)
def test_passes(direction: Direction, start: int | None, end: int | None, expected: list[Pass]) -> None:
    found = plan_passes(direction, start, end, num_frames=12, prompted=PROMPTED, look_ahead=False)
    assert found == expected


def test_look_ahead_leaves_no_frame_out() -> None:
    assert plan_passes("forward", None, None, num_frames=12, prompted=PROMPTED, look_ahead=True)[0].frames == range(12)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"start": 5, "end": 5}, FrameRangeError),
        ({"end": 13}, FrameRangeError),
        ({"start": -1}, FrameRangeError),
        ({"end": 3}, FrameRangeError),
        ({"start": 1.5}, FrameRangeError),
        ({"end": "12"}, FrameRangeError),
        ({"prompted": {}}, PromptError),
    ],
)
def test_nothing_to_run(options: dict[str, Any], error: type[Exception]) -> None:
    asked = {"start": None, "end": None, "prompted": PROMPTED} | options
    start, end = asked.pop("start"), asked.pop("end")
    with pytest.raises(error):
        plan_passes("forward", start, end, num_frames=12, look_ahead=False, **asked)


FRAMES = np.zeros((3, 6, 8, 3), np.uint8)


def test_the_length_of_a_video() -> None:
    assert recorded_length(ArrayVideo(FRAMES)) == 3


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("given", ["dog.mp4", Path("dog.mp4"), FRAMES, list(FRAMES), None])
def test_what_is_no_video_is_told_how_to_become_one(given: Any) -> None:
    with pytest.raises(MediaError, match=r"masklet\.open_video.*masklet\.io\.ArrayVideo"):
        recorded_length(given)


@pytest.mark.parametrize(
    ("frame_index", "invalidated"),
    [(5, {2, 3, 4, 6, 7, 8, 9}), (7, {8, 9, 2, 3, 4}), (3, {2, 6, 7, 8, 9}), (9, {2, 3, 4}), (0, {6, 7, 8, 9})],
)
def test_a_correction_invalidates_what_a_pass_reached_after_it(frame_index: int, invalidated: set[int]) -> None:
    """Prompted on frame 5, tracked forward to 9, then in reverse to 2, which read frames 6 to 9."""
    visited = {6: False, 7: False, 8: False, 9: False, 4: True, 3: True, 2: True}
    assert set(invalidated_frames(frame_index, visited, visited)) == invalidated


def test_frames_that_no_pass_reached_stay() -> None:
    assert invalidated_frames(0, [3, 4], {4: False}) == [4]
