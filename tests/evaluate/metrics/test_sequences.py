"""Which objects and frames count, and how sequences and data sets are averaged."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate.metrics.frames import FrameScores
from masklet.evaluate.metrics.sequences import (
    Convention,
    ObjectScore,
    SequenceScores,
    davis_statistics,
    mean_scores,
    object_scores,
)


def sequence(*objects: tuple[str, str, str]) -> SequenceScores:
    """Objects of 10 pixels: where the truth has them, where the prediction does, and how many tenths they share."""
    truth, prediction = (np.array([[10 * (c == "#") for c in o[k]] for o in objects]).T for k in (0, 1))
    shared = np.array([[int(c) for c in o[2]] for o in objects]).T
    return SequenceScores(shared, prediction, truth, shared / 10, object_ids=tuple(range(1, len(objects) + 1)))


def single(j: float, f: float) -> ObjectScore:
    return ObjectScore(1, np.arange(1), np.array([j]), np.array([f]))


def test_j_of_empty_masks() -> None:
    assert sequence((".#.#", "..##", "0005")).j[:, 0].tolist() == [1, 0, 0, 5 / 15]


LATE = ("...##.", "..###.", "000570")  # the prediction is one frame early
GHOST = ("......", "..##..", "000000")  # never in the truth
ENDS = ("#....#", "#....#", "900009")  # only on frames that do not count in sav and davis
BACK = ("##.##.", "##.##.", "880880")


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("sav", {1: [2, 3, 4], 4: [1, 2, 3, 4]}),
        ("davis", {1: [1, 2, 3, 4], 2: [1, 2, 3, 4], 3: [1, 2, 3, 4], 4: [1, 2, 3, 4]}),
        ("youtube-vos", {1: [3, 4, 5], 3: [0, 1, 2, 3, 4, 5], 4: [0, 1, 2, 3, 4, 5]}),
    ],
)
def test_frames_that_count(convention: Convention, expected: dict[int, list[int]]) -> None:
    scores = object_scores(sequence(LATE, GHOST, ENDS, BACK), convention)
    assert {one.object_id: one.frames.tolist() for one in scores} == expected


def test_skip_ends_can_be_chosen() -> None:
    scores = sequence(ENDS)
    assert [one.frames.tolist() for one in object_scores(scores, "sav", skip_ends=False)] == [[0, 1, 2, 3, 4, 5]]
    assert [one.frames.tolist() for one in object_scores(scores, "youtube-vos", skip_ends=True)] == []


def test_object_means() -> None:
    (score,) = object_scores(sequence(LATE), "sav")
    assert score.j_frames == pytest.approx([0, 5 / 15, 7 / 13])
    assert (score.j, score.f) == pytest.approx(((5 / 15 + 7 / 13) / 3, 0.4))
    assert score.jf == pytest.approx((score.j + score.f) / 2)


def test_a_data_set_is_the_mean_over_objects() -> None:
    mean = mean_scores([single(0.2, 0.4), single(0.4, 0.4), single(0.9, 0.7)])
    assert mean == pytest.approx((0.5, 0.5))
    assert mean.jf == pytest.approx(0.5)
    with pytest.raises(FormatError):
        mean_scores([])


def test_davis_statistics_by_hand() -> None:
    values = np.array([1.0, 0.8, 0.6, 0.4, 0.5, 0.6, 0.2, 0.0])
    # The borders are frames 1, 2.75, 4.5, 6.25, 8, rounded half up: 1, 3, 5, 6, 8.
    assert davis_statistics(values) == pytest.approx((4.1 / 8, 4 / 8, 2.4 / 3 - 0.8 / 3))
    assert davis_statistics(np.array([0.7])) == pytest.approx((0.7, 1, 0))


def test_frames_are_stacked() -> None:
    frame = FrameScores(np.array([1]), np.array([2]), np.array([3]), np.array([0.5]))
    scores = SequenceScores.from_frames([4], [frame, frame])
    assert scores.union.tolist() == [[4], [4]]
    assert scores.adaptive_f is None
    with pytest.raises(FormatError):
        SequenceScores.from_frames([4], [])
    with pytest.raises(FormatError, match=r"\[1\]"):
        SequenceScores.from_frames([4, 5], [frame])
