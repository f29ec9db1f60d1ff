"""Counting who was there and who was said to be."""

from __future__ import annotations

import numpy as np

from masklet.evaluate.metrics.presence import PresenceCounts


def test_counts_and_shares() -> None:
    truth = np.array([[1, 1, 0], [1, 0, 0]], bool)
    said = np.array([[1, 0, 1], [1, 0, 0]], bool)
    counts = PresenceCounts.of(said, truth)
    assert counts == PresenceCounts(found=2, missed=1, imagined=1, absent=2)
    assert (counts.accuracy, counts.precision, counts.recall) == (4 / 6, 2 / 3, 2 / 3)
    assert PresenceCounts.of(said[0], truth[0]) + PresenceCounts.of(said[1], truth[1]) == counts


def test_shares_of_nothing() -> None:
    none = PresenceCounts()
    assert (none.accuracy, none.precision, none.recall) == (None, None, None)
    absent = PresenceCounts(absent=3)
    assert (absent.accuracy, absent.precision, absent.recall) == (1, None, None)
