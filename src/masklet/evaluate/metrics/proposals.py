"""Automatic masks of images: how many of the true objects they find (COCO's average recall, without classes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from masklet.errors import FormatError
from masklet.masks.rle import iou
from masklet.types import Rle

MAX_DETECTIONS = 1000
"""Number of masks of an image that count, the best first: AR@1000."""

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""IoU thresholds from which an object counts as found."""

ObjectSize = Literal["all", "small", "medium", "large"]

_AREAS: dict[ObjectSize, tuple[float, float]] = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
}  # in pixels, ends included, as in COCO


@dataclass(frozen=True, eq=False)
class RecallCounts:
    """Counts of true objects and of those found, by size; add counts of images with ``+``.

    Attributes:
        found: (4, 10) objects found, for each size and IoU threshold.
        total: (4,) objects of each size.
    """

    found: Int64[np.ndarray, "sizes thresholds"]
    total: Int64[np.ndarray, " sizes"]

    def __add__(self, other: RecallCounts) -> RecallCounts:
        return RecallCounts(self.found + other.found, self.total + other.total)

    def average_recall(self, size: ObjectSize = "all") -> float | None:
        """Compute the mean over the IoU thresholds of the share of objects found, 0 to 1; None without objects.

        Small objects have up to 32 x 32 pixels, large ones 96 x 96 or more.
        """
        row = list(_AREAS).index(size)
        return float((self.found[row] / self.total[row]).mean()) if self.total[row] else None


def count_recalled(
    predictions: Sequence[Rle],
    scores: Float32[np.ndarray, " n"],
    truths: Sequence[Rle],
    max_detections: int = MAX_DETECTIONS,
) -> RecallCounts:
    """Match the predicted masks of one image, the best first, to its true objects.

    Each mask is matched to the free object with the highest IoU; an object is found at each threshold that it reaches.
    The numbers equal those of COCOeval with one class and no crowds.

    Raises:
        FormatError: another number of scores than of predictions.
    """
    if len(predictions) != len(scores):
        raise FormatError(f"expected one score for each of {len(predictions)} predictions, got {len(scores)}")
    best = np.argsort(-scores, kind="stable")[:max_detections].tolist()
    overlaps = iou([predictions[i] for i in best], truths)
    areas = np.array([truth.area for truth in truths])
    ranges = [(areas >= low) & (areas <= high) for low, high in _AREAS.values()]
    return RecallCounts(
        np.array([_found(overlaps[:, chosen]) for chosen in ranges]), np.array([int(chosen.sum()) for chosen in ranges])
    )


def _found(iou: Float64[np.ndarray, "n m"]) -> Int64[np.ndarray, " thresholds"]:
    """Count how many of m objects are matched at each threshold by n masks in turn."""
    free: Bool[np.ndarray, "thresholds m"] = np.ones((len(THRESHOLDS), iou.shape[1]), bool)
    for overlaps in iou[(iou >= THRESHOLDS[0]).any(axis=1)]:
        wanted = np.where(free & (overlaps >= THRESHOLDS[:, None]), overlaps, -1)
        last_best = wanted.shape[1] - 1 - wanted[:, ::-1].argmax(axis=1)  # on ties COCO takes the last
        free[np.arange(len(free)), last_best] &= wanted.max(axis=1) < 0
    return np.asarray((~free).sum(axis=1))
