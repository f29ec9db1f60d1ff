"""Berkeley segmentation files that are something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from masklet.errors import FormatError
from masklet.io.datasets.stills import read_bsds


def cells(*maps: np.ndarray) -> np.ndarray:
    array = np.empty((1, len(maps)), object)
    for place, values in enumerate(maps):
        array[0, place] = {"Segmentation": values}
    return array


def test_reads_every_annotator(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"groundTruth": cells(np.full((2, 3), 7, np.uint16), np.ones((2, 3), np.uint8))})
    first, second = read_bsds(tmp_path / "a.mat")
    assert first.dtype == np.uint16
    assert (first.shape, int(first[0, 0]), int(second[0, 0])) == ((2, 3), 7, 1)


@pytest.mark.parametrize(
    "content",
    [
        {"other": 1},
        {"groundTruth": 5},
        {"groundTruth": cells(np.ones((2, 3)), np.ones((2, 3)))},  # not whole numbers
        {"groundTruth": cells(np.ones((2, 3), int), np.ones((3, 3), int))},
        {"groundTruth": cells(np.full((2, 3), 70_000))},
    ],
)
def test_refuses(content: dict[str, object], tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", content)
    with pytest.raises(FormatError):
        read_bsds(tmp_path / "a.mat")


def test_refuses_what_is_no_mat_file(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(FormatError):
        read_bsds(tmp_path / "a.mat")
    (tmp_path / "b.mat").write_bytes(bytes(2**20 + 1))
    with pytest.raises(FormatError, match="1048576"):
        read_bsds(tmp_path / "b.mat")
