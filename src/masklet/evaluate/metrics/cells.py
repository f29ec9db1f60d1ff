"""Cells: SEG, the segmentation measure of the Cell Tracking Challenge."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64, UInt8, UInt16

from masklet.errors import FormatError

CellLabels = UInt8[np.ndarray, "*size"] | UInt16[np.ndarray, "*size"]
"""An image or a stack of cell ids, 0 for background."""


def cell_overlaps(prediction: CellLabels, truth: CellLabels) -> Float64[np.ndarray, " cells"]:
    """Compute the Jaccard index of each true cell of one frame with its matching cell, 0 without one; by ascending id.

    A predicted cell matches a true one when it covers more than half of its pixels, so at most one does (Ulman et
    al. 2017, "An objective comparison of cell-tracking algorithms"). Works in two and three dimensions.

    Raises:
        FormatError: the two differ in size.
    """
    if prediction.shape != truth.shape:
        raise FormatError(f"expected a prediction of the truth's size {truth.shape}, got {prediction.shape}")
    ids, sizes = np.unique(truth, return_counts=True)
    found, areas = np.unique(prediction, return_counts=True)
    both = np.stack([truth, prediction])[:, (truth > 0) & (prediction > 0)]
    pairs, shared = np.unique(both, axis=1, return_counts=True)
    rows, columns = np.searchsorted(ids, pairs[0]), np.searchsorted(found, pairs[1])
    matched = 2 * shared > sizes[rows]
    jaccard = np.zeros(len(ids))
    jaccard[rows[matched]] = (shared / (sizes[rows] + areas[columns] - shared))[matched]
    return jaccard[ids > 0]


def seg(overlaps: Iterable[Float64[np.ndarray, " _"]]) -> float:
    """Compute SEG, the mean over the true cells of all frames, 0 to 1.

    Raises:
        FormatError: there is no true cell.
    """
    every = np.concatenate([np.zeros(0), *overlaps])
    if not len(every):
        raise FormatError("expected at least one true cell, got none")
    return float(every.mean())
