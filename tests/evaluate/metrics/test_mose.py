"""MOSEv2: intervals of absence and reappearance, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate.metrics.mose import mean_mose, mose_scores
from masklet.evaluate.metrics.sequences import SequenceScores


def sequence(visible: str, tenths: str) -> SequenceScores:
    """One object of 9 pixels; F in tenths, J the same in tenths of (9 + 1)."""
    f = np.array([[int(c) / 10] for c in tenths])
    truth = np.array([[9 * (c == "#")] for c in visible])
    union = np.full(truth.shape, 9)
    shared = np.rint(f * 10).astype(int) - 1  # so that (shared + 1) / (union + 1) is f
    return SequenceScores(shared, union + shared - truth, truth, np.ones(f.shape), f, object_ids=(5,))


@pytest.mark.parametrize(
    ("visible", "tenths", "disappearance", "reappearance"),
    [
        ("######", "123456", None, None),
        ("###..#", "123456", 0.45, None),  # the last frame does not count, so it is never back
        ("##.##.", "123456", 0.3, 0.45),
        ("#.#.##.#", "12345678", 0.4 / 2 + 0.7 / 2, 0.3 / 2 + 0.55 / 2),  # absent at first: no disappearance
        ("....#.", "123456", None, 0.5),
        ("......", "123456", None, None),
    ],
)
def test_stretches(visible: str, tenths: str, disappearance: float | None, reappearance: float | None) -> None:
    score = mose_scores(sequence(visible, tenths))[5]
    mean = np.mean([int(c) / 10 for c in tenths[1:-1]])
    assert score.adaptive == pytest.approx((mean, mean))
    assert score.standard == pytest.approx((mean, 1))
    for part, expected in ((score.disappearance, disappearance), (score.reappearance, reappearance)):
        assert part == (None if expected is None else pytest.approx((expected, expected)))


def test_the_mean_leaves_out_what_an_object_lacks() -> None:
    objects = [mose_scores(sequence(*one))[5] for one in (("###..#", "123456"), ("######", "888888"))]
    mean = mean_mose(objects)
    assert mean.disappearance == pytest.approx((0.45, 0.45))
    assert mean.reappearance is None
    assert mean.adaptive == pytest.approx(((0.35 + 0.8) / 2,) * 2)
    assert mean.adaptive.jf == pytest.approx((0.35 + 0.8) / 2)
    with pytest.raises(FormatError):
        mean_mose([])


def test_bad_input() -> None:
    with pytest.raises(FormatError, match="2"):
        mose_scores(sequence("##", "11"))
    plain = sequence("###", "111")
    with pytest.raises(FormatError, match="adaptive"):
        mose_scores(SequenceScores(plain.intersection, plain.prediction, plain.truth, plain.f, object_ids=(5,)))
