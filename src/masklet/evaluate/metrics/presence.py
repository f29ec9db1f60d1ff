"""Presence of the object: how often the prediction is right, frame by frame."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class PresenceCounts:
    """Confusion matrix of frames, or of frames of many objects; add counts up with ``+``.

    Attributes:
        found: true positives: visible and predicted.
        missed: false negatives: visible but not predicted.
        imagined: false positives: predicted but absent.
        absent: true negatives: absent and not predicted.
    """

    found: int = 0
    missed: int = 0
    imagined: int = 0
    absent: int = 0

    @classmethod
    def of(cls, predicted: Bool[np.ndarray, "..."], truth: Bool[np.ndarray, "..."]) -> PresenceCounts:
        """Count two arrays of one shape, such as (frames, objects)."""
        hits = predicted & truth, ~predicted & truth, predicted & ~truth, ~predicted & ~truth
        return cls(*(int(np.count_nonzero(hit)) for hit in hits))

    def __add__(self, other: PresenceCounts) -> PresenceCounts:
        return PresenceCounts(*(sum(pair) for pair in zip(astuple(self), astuple(other), strict=True)))

    @property
    def accuracy(self) -> float | None:
        """Share of right predictions, 0 to 1; None without frames."""
        return _share(self.found + self.absent, self.missed + self.imagined)

    @property
    def precision(self) -> float | None:
        """Share of the predicted frames on which the object is visible, 0 to 1; None without any."""
        return _share(self.found, self.imagined)

    @property
    def recall(self) -> float | None:
        """Share of the frames with the object on which it is predicted, 0 to 1; None without any."""
        return _share(self.found, self.missed)


def _share(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None
