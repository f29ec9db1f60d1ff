"""Motion: the Kalman filter in steps of frames, and each rule of SAMURAI, without the defects of its code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masklet.tracking.memory_policy import Motion
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.motion import (
    Kalman,
    MotionState,
    choose_by_motion,
    update_motion,
    without_distant_components,
)

SIDE = 40


def evidence(
    *boxes: tuple[int, int, int, int] | None, iou: list[float] | None = None, score: float = 5.0
) -> DecoderCandidates:
    """Candidates that are boxes of cells, or empty."""
    masks = np.zeros((len(boxes), SIDE, SIDE), bool)
    for mask, box in zip(masks, boxes, strict=True):
        if box is not None:
            mask[box[1] : box[3], box[0] : box[2]] = True
    scores = np.array(iou or [0.9] * len(boxes), np.float32)
    return DecoderCandidates(masks, scores, np.ones(len(boxes), np.float32), score)


def box_at(x: int) -> tuple[int, int, int, int]:
    return (x, 10, x + 6, 18)


def walked(frames: list[int], rule: Motion, step: int = 1) -> MotionState | None:
    """An object that moves by ``step`` cells a frame, seen on some frames."""
    course = None
    for t in frames:
        seen = evidence(box_at(2 + step * abs(t - frames[0])))
        course = update_motion(course, seen, 0, t, rule, visible=True)
    return course


@pytest.mark.parametrize("frames", [list(range(12)), list(range(50, 38, -1)), [0, 1, 2, 5, 6, 9, 11]])
def test_it_learns_a_velocity_in_real_frames(frames: list[int]) -> None:
    """Forward, in reverse, and with frames left out, the place predicted is the place where the object goes."""
    course = walked(frames, Motion())
    assert course is not None
    sign = 1 if frames[-1] > frames[0] else -1
    ahead = frames[-1] + 3 * sign
    expected = np.array(box_at(2 + abs(ahead - frames[0]))) / SIDE
    found = course.kalman.predict(abs(ahead - course.last_seen)).box
    np.testing.assert_allclose(found, expected, atol=1.2 / SIDE)


def test_the_gap_counts_not_the_number_of_calls() -> None:
    start = Kalman.start(np.array([0.1, 0.1, 0.3, 0.4], np.float32))
    moving = replace(start, mean=start.mean + np.array([0, 0, 0, 0, 0.01, 0, 0, 0]))
    once, steps = moving.predict(3), moving.predict(1).predict(1).predict(1)
    np.testing.assert_allclose(once.mean, steps.mean)
    assert once.box[0] == pytest.approx(0.13)


STEADY = Motion(min_stable_frames=3, weight=0.5)


@pytest.mark.parametrize(
    ("stable", "chosen", "trusted"),
    [(1, 1, False), (2, 1, False), (3, 0, True)],
)
def test_prediction_counts_once_it_is_steady(stable: int, chosen: int, trusted: bool) -> None:
    """Candidate 1 promises more, candidate 0 is where the object was going."""
    course = walked([0, 1, 2], STEADY)
    assert course is not None
    here = evidence(box_at(5), (30, 30, 36, 38), iou=[0.6, 0.8])
    best, overlap = choose_by_motion(replace(course, stable_frames=stable), here, 3, STEADY)
    assert best == chosen
    assert (overlap is not None) is trusted


@pytest.mark.parametrize(("weight", "chosen"), [(0.15, 1), (0.25, 0)])
def test_weight_of_the_overlap(weight: float, chosen: int) -> None:
    course = walked(list(range(5)), Motion(min_stable_frames=3))
    here = evidence(box_at(7), (30, 30, 36, 38), iou=[0.7, 0.9])
    assert choose_by_motion(course, here, 5, Motion(min_stable_frames=3, weight=weight))[0] == chosen


def test_an_empty_mask_never_starts_a_course() -> None:
    """The public code starts its filter at (0, 0, 0, 0)."""
    assert update_motion(None, evidence(None), 0, 0, Motion(), visible=True) is None


def test_an_absent_object_keeps_its_course_for_a_while() -> None:
    course = walked(list(range(8)), Motion(patience=4))
    away = evidence(box_at(30), score=-3.0)
    assert update_motion(course, away, 0, 8, Motion(patience=4), visible=False) is course
    assert update_motion(course, away, 0, 11, Motion(patience=4), visible=False) is course
    assert update_motion(course, away, 0, 12, Motion(patience=4), visible=False) is None


def test_after_a_long_gap_it_starts_anew() -> None:
    course = walked(list(range(8)), Motion(patience=4))
    again = update_motion(course, evidence(box_at(30)), 0, 20, Motion(patience=4), visible=True)
    assert again is not None
    assert (again.last_seen, again.stable_frames) == (20, 1)
    assert choose_by_motion(
        course, evidence(box_at(9), box_at(30), iou=[0.6, 0.7]), 20, Motion(min_stable_frames=1, patience=4)
    ) == (
        1,
        None,
    )


def test_a_poor_mask_ends_the_trust_and_the_next_one_starts_it() -> None:
    course = walked(list(range(6)), Motion(min_stable_frames=3))
    assert course is not None
    poor = update_motion(course, evidence(box_at(8), iou=[0.2]), 0, 6, Motion(min_stable_frames=3), visible=True)
    assert poor is not None
    assert poor.stable_frames == 0
    assert poor.kalman is course.kalman
    again = update_motion(poor, evidence(box_at(20)), 0, 7, Motion(min_stable_frames=3), visible=True)
    assert again is not None
    assert (again.stable_frames, again.kalman.mean[4]) == (1, 0.0)


def test_courses_of_two_objects_do_not_meet() -> None:
    """In the public code the filter belongs to the model: one for all objects and videos."""
    one, two = walked(list(range(6)), Motion()), walked(list(range(6)), Motion(), step=3)
    assert one is not None
    assert two is not None
    assert two.kalman.mean[4] > 2 * one.kalman.mean[4] > 0


def test_parts_elsewhere_are_left_out() -> None:
    course = walked(list(range(6)), Motion())
    both = evidence(box_at(8))
    both.masks[0, 30:36, 30:36] = True
    rule = Motion(margin=0.5)
    kept = without_distant_components(course, both, 6, rule)
    assert kept.masks[0].sum() == 6 * 8
    assert not kept.masks[0, 30:].any()
    assert without_distant_components(course, both, 6, Motion()) is both
    only_elsewhere = evidence((30, 30, 36, 36))
    np.testing.assert_array_equal(
        without_distant_components(course, only_elsewhere, 6, rule).masks, only_elsewhere.masks
    )


@pytest.mark.parametrize(
    ("settings", "message"), [({"weight": 1.5}, "weight.*1.5"), ({"min_stable_frames": -1}, "min_stable_frames.*-1")]
)
def test_refused_settings(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Motion(**settings)  # type: ignore[arg-type]
