"""Confidence: a probability that is monotonic in its inputs, for calibrated models and others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.predict.confidence import confidence, constants, features
from masklet.tracking.policies import MaskScores

unit, logit = st.floats(0, 1), st.floats(-1e6, 1e6)


@given(
    st.builds(
        MaskScores,
        presence=logit,
        iou=unit,
        stability=unit,
        agreement=unit,
        similarity=st.floats(-1, 1),
        visible=st.booleans(),
    )
)
def test_it_is_a_probability(scores: MaskScores) -> None:
    for model in ("nano", "nobody-calibrated-this"):
        assert 0 <= confidence(scores, model) <= 1


def test_the_table_fits_the_scores() -> None:
    for weights in constants().values():
        assert len(weights["visible"]) == len(features(MaskScores(1, 0.5, 0.5, 0.5, 0.5, visible=True)))
        assert len(weights["absent"]) == len(features(MaskScores(1, 0.5, 0.5, 0.5, 0.5, visible=False)))


def test_better_scores_more_confidence() -> None:
    poor, good = (
        MaskScores(4, 0.4, 0.4, 0.5, 0.8, visible=True),
        MaskScores(4, 0.9, 0.95, 0.95, 0.97, visible=True),
    )
    assert confidence(poor, "nano") < 0.3
    assert confidence(good, "nano") > 0.7


@pytest.mark.parametrize(
    ("scores", "expected"),
    [(MaskScores(0, 0.8, 1, 1, 1, visible=True), 0.4), (MaskScores(0, 0.8, 1, 1, 1, visible=False), 0.5)],
)
def test_without_calibration_presence_and_predicted_iou(scores: MaskScores, expected: float) -> None:
    assert confidence(scores, "another") == pytest.approx(expected)
