"""SEG of the Cell Tracking Challenge by hand."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.evaluate.metrics.cells import cell_overlaps, seg


@pytest.mark.parametrize(
    ("truth", "prediction", "overlaps"),
    [
        ([1, 1, 1, 1, 0, 0], [7, 7, 7, 0, 0, 0], [0.75]),
        ([1, 1, 1, 1, 0, 0], [7, 7, 0, 0, 0, 0], [0]),  # half is not more than half
        ([1, 1, 1, 1, 0, 0], [7, 7, 7, 7, 7, 7], [4 / 6]),
        ([1, 1, 1, 0, 2, 2], [7, 7, 7, 7, 7, 7], [3 / 6, 2 / 6]),  # one cell may match two true ones
        ([1, 1, 1, 1, 1, 0], [7, 7, 8, 8, 8, 0], [3 / 5]),
        ([0, 5, 5, 5, 3, 3], [9, 0, 4, 4, 0, 0], [0, 2 / 3]),  # in the order of the ids
        ([1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [0]),
        ([0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], []),
    ],
)
def test_overlaps(truth: list[int], prediction: list[int], overlaps: list[float]) -> None:
    pair = np.array(prediction, np.uint16).reshape(2, 3), np.array(truth, np.uint16).reshape(2, 3)
    assert cell_overlaps(*pair) == pytest.approx(overlaps)
    assert cell_overlaps(*(np.stack([cells, cells]) for cells in pair)) == pytest.approx(overlaps)  # a volume


def test_seg_is_the_mean_over_all_cells() -> None:
    assert seg([np.array([0.5]), np.array([]), np.array([1.0, 0.0, 0.5])]) == 0.5
    with pytest.raises(FormatError):
        seg([np.array([])])


@pytest.mark.usefixtures("untyped_caller")
def test_sizes_have_to_agree() -> None:
    with pytest.raises(FormatError, match=r"\(2, 3\).*\(3, 2\)"):
        cell_overlaps(np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.uint8))
