"""Scores of one frame for each object: the areas that give J, and F."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8, UInt16

from masklet.errors import FormatError
from masklet.masks.boundary import TOLERANCE, boundary_f, boundary_radius, bounding_window
from masklet.types import ObjectId, Region

VOID = 255
"""Label of void pixels in DAVIS and others, which the annotators left undecided."""

Labels = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]
"""A label map: object ids, 0 for background."""


@dataclass(frozen=True, eq=False)
class FrameScores:
    """Scores of the n objects of a frame: the areas of predicted and true masks, and F.

    Attributes:
        intersection: pixels in both masks.
        prediction: pixels in the predicted mask.
        truth: pixels in the true mask.
        f: boundary measure, 0 to 1.
        adaptive_f: the same with MOSEv2's adaptive radius, or None if it was not computed.
    """

    intersection: Int64[np.ndarray, "*n"]
    prediction: Int64[np.ndarray, "*n"]
    truth: Int64[np.ndarray, "*n"]
    f: Float64[np.ndarray, "*n"]
    adaptive_f: Float64[np.ndarray, "*n"] | None = None

    @property
    def union(self) -> Int64[np.ndarray, "*n"]:
        """Number of pixels in either mask."""
        return np.asarray(self.prediction + self.truth - self.intersection)

    @property
    def j(self) -> Float64[np.ndarray, "*n"]:
        """J, the region measure: intersection over union, 0 to 1; two empty masks have 1."""
        union = self.union
        return np.asarray(np.divide(self.intersection, union, out=np.ones(union.shape), where=union > 0))


@dataclass(frozen=True, kw_only=True)
class FrameMetric:
    """Compares predicted and true masks of a frame.

    Attributes:
        tolerance: radius of F: if below 1 a share of the diagonal, rounded up to pixels; otherwise in pixels.
        adaptive: also compute F with a radius that depends on the object's size (MOSEv2).

    Raises:
        FormatError: the tolerance is not a number of 0 or more.
    """

    tolerance: float = TOLERANCE
    adaptive: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < math.inf:
            raise FormatError(f"expected a tolerance of 0 or more, got {self.tolerance}")

    def score_masks(
        self, prediction: Bool[np.ndarray, "n h w"], truth: Bool[np.ndarray, "n h w"], void: Region | None = None
    ) -> FrameScores:
        """Compare the masks of n objects on one frame; pixels of ``void`` are ignored, in J and in F.

        Raises:
            FormatError: the two differ in size or number of objects.
        """
        if prediction.shape != truth.shape or (void is not None and void.shape != truth.shape[1:]):
            raise FormatError(
                f"expected predicted masks of the truth's shape {truth.shape} (objects, height, width), "
                f"got {prediction.shape}"
            )
        size = (truth.shape[1], truth.shape[2])
        if void is not None:
            prediction, truth = prediction & ~void, truth & ~void
        return self._gather([self._score(*pair, size) for pair in zip(prediction, truth, strict=True)])

    def score_labels(
        self, prediction: Labels, truth: Labels, object_ids: Sequence[ObjectId], *, void: int | None = None
    ) -> FrameScores:
        """Compare two label maps of one frame for the objects named; all other labels are background.

        Args:
            prediction, truth: label maps.
            object_ids: objects to score, in the order of the result.
            void: label of pixels in the truth that are ignored, in J and in F; None: all count.

        Raises:
            FormatError: the two differ in size.
        """
        if prediction.shape != truth.shape:
            raise FormatError(
                f"expected a prediction of the truth's size {truth.shape} (height, width), got {prediction.shape}"
            )
        if void is not None:
            ignored = truth == void
            prediction, truth = np.where(ignored, 0, prediction), np.where(ignored, 0, truth)
        size = (truth.shape[0], truth.shape[1])
        window = bounding_window((prediction | truth) > 0, margin=1)
        prediction, truth = prediction[window], truth[window]
        return self._gather([self._score(prediction == i, truth == i, size) for i in object_ids])

    def _score(self, prediction: Region, truth: Region, size: tuple[int, int]) -> _Row:
        window = bounding_window(prediction | truth, margin=1)  # a tenth of the work
        prediction, truth = prediction[window], truth[window]
        area = int(np.count_nonzero(truth))
        f = boundary_f(prediction, truth, boundary_radius(size, self.tolerance))
        adaptive = boundary_f(prediction, truth, adaptive_radius(size, area)) if self.adaptive else math.nan
        shared, predicted = int(np.count_nonzero(prediction & truth)), int(np.count_nonzero(prediction))
        return shared, predicted, area, f, adaptive

    def _gather(self, rows: Sequence[_Row]) -> FrameScores:
        table = np.array(rows, np.float64).reshape(-1, 5).T  # areas are far below 2**53
        intersection, prediction, truth = table[:3].astype(np.int64)
        return FrameScores(intersection, prediction, truth, table[3], table[4] if self.adaptive else None)


_Row = tuple[int, int, int, float, float]


def adaptive_radius(size: tuple[int, int], area: int) -> float:
    """Compute MOSEv2's radius for F: a tenth of the square root of the true area, rounded up.

    At most 0.008 of the diagonal, which is not rounded, and just that for an empty truth: as in the evaluation kit of
    the MOSE authors.
    """
    limit = TOLERANCE * math.hypot(*size)
    return min(limit, float(math.ceil(0.1 * math.sqrt(area)))) if area else limit


def object_ids_in(truths: Iterable[Labels]) -> tuple[ObjectId, ...]:
    """Return all ids in some label maps except 0, ascending."""
    known: set[int] = set()
    for labels in truths:
        accounted = sum(int(np.count_nonzero(labels == i)) for i in known)
        if accounted != np.count_nonzero(labels):  # far cheaper than np.unique of every map
            known |= set(np.unique(labels).tolist()) - {0}
    return tuple(sorted(known))
