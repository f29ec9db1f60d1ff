"""Is the object there: how often the answer is right, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class PresenceCounts:
    """Frames (or frames of many objects) by what is true and what was said; add them up with ``+``.

    Attributes:
        found: there, and said to be.
        missed: there, but said to be absent.
        imagined: absent, but said to be there.
        absent: absent, and said to be.
    """

    found: int = 0
    missed: int = 0
    imagined: int = 0
    absent: int = 0

    @classmethod
    def of(cls, said: Bool[np.ndarray, "..."], truth: Bool[np.ndarray, "..."]) -> PresenceCounts:
        """Count two arrays of one shape, such as (frames, objects)."""
        return cls(
            *(int(np.count_nonzero(hit)) for hit in (said & truth, ~said & truth, said & ~truth, ~said & ~truth))
        )

    def __add__(self, other: PresenceCounts) -> PresenceCounts:
        return PresenceCounts(
            self.found + other.found,
            self.missed + other.missed,
            self.imagined + other.imagined,
            self.absent + other.absent,
        )

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, 0 to 1; None where nothing was counted."""
        return _share(self.found + self.absent, self.missed + self.imagined)

    @property
    def precision(self) -> float | None:
        """Share of true ones among "it is there", 0 to 1; None where that was never said."""
        return _share(self.found, self.imagined)

    @property
    def recall(self) -> float | None:
        """Share of frames with the object on which that was said, 0 to 1; None where there are none."""
        return _share(self.found, self.missed)


def _share(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None
