"""FrameToReview: the frames that most need a click, spread out, and what no object does."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.predict.review import broken_rules, frames_to_review
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
    assert [(doubt.frame_index, doubt.confidence) for doubt in found] == [(12, 0.1), (30, 0.4)]
    assert [doubt.frame_index for doubt in frames_to_review(masklet({5: 0.1, 50: 0.2}, prompted=(0,)), spacing=10)] == [
        50
    ]
    assert len(frames_to_review(masklet({t: 0.1 for t in range(0, 200, 20)}), limit=3)) == 3  # noqa: C420


def test_a_broken_rule_makes_a_frame_doubtful() -> None:
    found = frames_to_review(masklet({0: 0.99, 1: 0.99, 40: 0.99}, f1=mask(19)), spacing=5)
    assert [(doubt.frame_index, doubt.reasons) for doubt in found] == [(1, ("fills the frame",))]
    assert found[0].confidence == 0.25


@pytest.mark.parametrize(
    ("before", "now", "reasons"),
    [
        (mask(5), mask(6), ()),
        (mask(2), mask(11), ("area jumps",)),
        (mask(11), mask(2), ("area jumps",)),
        (mask(5), mask(19), ("fills the frame",)),
        (mask(8), mask(12, 8), ("swapped with its surroundings",)),
        (mask(3), mask(17, 3), ("area jumps", "swapped with its surroundings")),
        (mask(0), mask(12), ()),
        (mask(12), mask(0), ()),
        (mask(10), mask(10), ()),
    ],
)
def test_rules(before: Rle, now: Rle, reasons: tuple[str, ...]) -> None:
    assert broken_rules({3: before, 4: now}).get(4, ()) == reasons
    assert broken_rules({3: before, 9: now}).get(9, ()) == tuple(r for r in reasons if r == "fills the frame")
