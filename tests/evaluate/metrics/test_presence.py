"""Counts of visible and predicted objects."""

from __future__ import annotations

import numpy as np

from masklet.evaluate.metrics.presence import PresenceCounts


def test_counts_and_shares() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0]], bool)
    predicted = np.array([[1, 0, 1], [1, 0, 0]], bool)
    counts = PresenceCounts.of(predicted, truth)
    assert counts == PresenceCounts(found=2, missed=1, imagined=1, absent=2)
    assert (counts.accuracy, counts.precision, counts.recall) == (4 / 6, 2 / 3, 2 / 3)
    assert PresenceCounts.of(predicted[0], truth[0]) + PresenceCounts.of(predicted[1], truth[1]) == counts


def test_shares_of_nothing() -> None:
    none = PresenceCounts()
    assert (none.accuracy, none.precision, none.recall) == (None, None, None)
    absent = PresenceCounts(absent=3)
    assert (absent.accuracy, absent.precision, absent.recall) == (1, None, None)
