"""Frames that need review: low confidence, implausible changes, passes that disagree."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.predict.review import (
    IMPLAUSIBLE,
    Reason,
    describe,
    disagreeing_frames,
    frames_to_review,
    implausible_changes,
    mask_agreement,
    rank_frames,
)
from masklet.types import Masklet, Rle

SIZE = (10, 20)


def mask(columns: int, start: int = 0) -> Rle:
    made = np.zeros(SIZE, bool)
    made[:, start : start + columns] = True
    return Rle.from_mask(made)


def masklet(confidence: dict[int, float], prompted: tuple[int, ...] = (), **frames: Rle) -> Masklet:
    masks = {i: mask(5) for i in confidence} | {int(key[1:]): value for key, value in frames.items()}
    return Masklet(1, SIZE, masks, confidence=confidence, prompted=prompted)


def test_the_least_confident_frames_spread_out() -> None:
    found = frames_to_review(masklet({0: 0.9, 10: 0.3, 12: 0.1, 30: 0.4, 31: 0.45, 60: 0.6}), limit=5, spacing=10)
    assert [(one.frame_index, one.confidence) for one in found] == [(12, 0.1), (30, 0.4)]
    assert [one.frame_index for one in frames_to_review(masklet({5: 0.1, 50: 0.2}, prompted=(0,)), spacing=10)] == [50]
    assert len(frames_to_review(masklet({t: 0.1 for t in range(0, 200, 20)}), limit=3)) == 3  # noqa: C420


def test_an_implausible_mask_has_a_low_confidence() -> None:
    found = frames_to_review(masklet({0: 0.99, 1: 0.99, 40: 0.99}, f1=mask(19)), spacing=5)
    assert [(one.frame_index, one.reasons) for one in found] == [(1, ("fills the frame",))]
    assert found[0].confidence == 0.25


@pytest.mark.parametrize(
    ("before", "now", "reasons"),
    [
        (mask(5), mask(6), ()),
        (mask(2), mask(11), ("area jumps",)),
        (mask(11), mask(2), ("area jumps",)),
        (mask(5), mask(19), ("fills the frame",)),
        (mask(8), mask(12, 8), ("inverted",)),
        (mask(3), mask(17, 3), ("area jumps", "inverted")),
        (mask(0), mask(12), ()),
        (mask(12), mask(0), ()),
        (mask(10), mask(10), ()),
    ],
)
def test_reasons(before: Rle, now: Rle, reasons: tuple[Reason, ...]) -> None:
    assert reasons_of({3: before, 4: now})[4] == reasons
    assert reasons_of({3: before, 9: now})[9] == tuple(r for r in reasons if r == "fills the frame")


def reasons_of(frames: dict[int, Rle]) -> dict[int, tuple[Reason, ...]]:
    return {one.frame_index: one.reasons for one in rank_frames(Masklet(1, SIZE, frames))}


@pytest.mark.parametrize(
    ("columns", "where"),
    [
        ([1, 1, 0, 0, 1, 1], []),  # once behind a tree
        ([1, 0, 1, 0, 1, 1], [1, 2, 3, 4]),
        ([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1], []),  # often, but far apart
        ([0, 0, 0], []),
        ([], []),
    ],
)
def test_flickering(columns: list[int], where: list[int]) -> None:
    found = implausible_changes(np.arange(len(columns)), np.array(columns, np.int64))
    assert np.flatnonzero(found["flickers"]).tolist() == where


def test_confidence_is_estimated_where_it_is_not_calibrated() -> None:
    frames = {0: mask(5), 1: mask(5), 2: mask(0), 3: mask(5)}
    presence, iou = {0: 1.0, 1: 0.8, 2: 0.9, 3: 0.9}, {0: 0.9, 1: 0.5, 2: 0.9, 3: 0.9}
    made = Masklet(1, SIZE, frames, presence, iou, confidence={3: 0.2}, prompted=(0,))
    found = rank_frames(made)
    assert [one.frame_index for one in found] == [2, 3, 1]
    assert [one.confidence for one in found] == pytest.approx([0.1, 0.2, 0.4])


def test_passes_that_disagree() -> None:
    made = Masklet(1, SIZE, {i: mask(5) for i in range(3)})
    backward = {0: mask(5), 1: mask(5, start=9), 2: mask(4)}
    assert mask_agreement(made.frames, backward) == {0: 1.0, 1: 0.0, 2: pytest.approx(0.8)}
    assert disagreeing_frames(made.frames, backward) == {1: 0.0}
    assert disagreeing_frames({0: mask(0)}, {0: mask(0), 9: mask(5)}) == {}
    found = frames_to_review(made, spacing=1, backward=backward)
    assert found == [(1, IMPLAUSIBLE, ("passes disagree",))]
    assert describe(found) == "passes disagree (frame 1)"


def test_description_groups_frames_by_reason() -> None:
    found = rank_frames(Masklet(1, SIZE, {0: mask(2), 1: mask(19), 2: mask(2), 3: mask(2)}))
    assert describe(found) == "area jumps (frames 1, 2); fills the frame (frame 1)"
    assert describe([]) == ""
