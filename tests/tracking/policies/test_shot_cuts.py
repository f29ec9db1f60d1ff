"""ShotCuts: found at sudden changes of the image, in both directions, and not in constant motion."""

from __future__ import annotations

import pytest
import torch

from masklet.model.tensors import ImageFeatures
from masklet.tracking.memory_policy import ShotCuts
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.shot_cuts import ShotCutDetector


def picture(angle: float) -> ImageFeatures:
    """Features that turn with an angle, so that the distance of two is 1 - cos."""
    a, b = torch.tensor([angle]).cos(), torch.tensor([angle]).sin()
    nothing = torch.zeros(1, 1, 1, 1)
    return ImageFeatures(torch.cat([a, b])[None, :, None, None].expand(1, 2, 4, 4), nothing, nothing)


def found(angles: list[float], frames: list[int], rule: ShotCuts) -> ShotCutDetector:
    detector = ShotCutDetector(rule)
    for frame, angle in zip(frames, angles, strict=True):
        detector.observe(frame, picture(angle))
    return detector


@pytest.mark.parametrize(
    ("angles", "cuts"),
    [
        ([0.0, 0.05, 0.1, 1.2, 1.25, 1.3], {3}),
        ([0.0, 0.0, 0.0, 0.3, 0.3, 0.3], set()),
        ([0.0, 0.7, 1.4, 2.1, 2.8, 3.5], {1}),  # the first change of a wild video looks like a cut
        ([0.0, 0.0, 1.5, 1.5, 0.0, 0.0], {2, 4}),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_cuts(angles: list[float], cuts: set[int], *, reverse: bool) -> None:
    frames = list(range(len(angles)))
    detector = found(angles, frames[::-1] if reverse else frames, ShotCuts(min_change=0.2))
    assert detector.cuts == ({len(angles) - cut for cut in cuts} if reverse else cuts)


def test_a_jump_to_another_frame_is_no_cut() -> None:
    assert found([0.0, 0.0, 1.5], [0, 1, 7], ShotCuts()).cuts == set()


def test_since_and_what_is_past() -> None:
    detector = ShotCutDetector(ShotCuts(), cuts={4, 9})
    assert [detector.shot_start(t, reverse=False) for t in (3, 4, 8, 9, 20)] == [None, 4, 4, 9, 9]
    assert [detector.shot_start(t, reverse=True) for t in (20, 9, 8, 4, 3)] == [None, None, 8, 8, 3]
    assert [i for i in range(12) if detector.context(7).can_read(i)] == [4, 5, 6]
    assert [i for i in range(12) if detector.context(6, reverse=True).can_read(i)] == [7, 8]
    assert [i for i in range(12) if FrameContext(6, shot_start=4, drop_before_cut=False).can_read(i)] == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


def test_a_stream_keeps_one_cut() -> None:
    detector = ShotCutDetector(ShotCuts(), cuts={2, 5, 9})
    detector.prune(10)
    assert detector.cuts == {9}
    assert len(found([0.0] * 100, list(range(100)), ShotCuts()).changes) == 15
