"""J, F and J&F of objects, sequences and data sets by the conventions of SA-V, DAVIS 2017 and YouTube-VOS."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from masklet.errors import FormatError
from masklet.evaluate.metrics.frames import FrameScores
from masklet.types import ObjectId

Convention = Literal["sav", "davis", "youtube-vos"]
"""Which objects and frames of a sequence count (see `object_scores`)."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceScores(FrameScores):
    """Scores of all annotated frames of one sequence: the arrays have shape (t, n), for t frames and n objects.

    Attributes:
        object_ids: the n objects.
    """

    object_ids: tuple[ObjectId, ...]

    @classmethod
    def from_frames(cls, object_ids: Sequence[ObjectId], frames: Sequence[FrameScores]) -> SequenceScores:
        """Stack the scores of a sequence's frames, in order.

        Raises:
            FormatError: no frames, or a frame that does not score these objects.
        """
        if not frames:
            raise FormatError("expected scores of at least one frame, got none")
        counts = {len(frame.f) for frame in frames}
        if counts != {len(object_ids)}:
            raise FormatError(f"expected scores of {len(object_ids)} objects on every frame, got {sorted(counts)}")
        adaptive = [frame.adaptive_f for frame in frames if frame.adaptive_f is not None]
        return cls(
            np.stack([frame.intersection for frame in frames]),
            np.stack([frame.prediction for frame in frames]),
            np.stack([frame.truth for frame in frames]),
            np.stack([frame.f for frame in frames]),
            np.stack(adaptive) if len(adaptive) == len(frames) else None,
            object_ids=tuple(object_ids),
        )


class Statistics(NamedTuple):
    """Statistics of a measure over the frames of one object (Perazzi et al. 2016, section 4).

    Attributes:
        mean: mean, 0 to 1.
        recall: share of frames above 0.5.
        decay: mean of the first quarter of the frames minus that of the last, -1 to 1; small is good.
    """

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True, eq=False)
class ObjectScore:
    """Scores of one object of one sequence over the frames that count.

    Attributes:
        object_id: which object.
        frames: (k,) positions of these frames among the annotated ones.
        j_frames: (k,) J, 0 to 1.
        f_frames: (k,) F, 0 to 1.
    """

    object_id: ObjectId
    frames: Int64[np.ndarray, " k"]
    j_frames: Float64[np.ndarray, " k"]
    f_frames: Float64[np.ndarray, " k"]

    @property
    def j(self) -> float:
        """Mean J, 0 to 1."""
        return float(self.j_frames.mean())

    @property
    def f(self) -> float:
        """Mean F, 0 to 1."""
        return float(self.f_frames.mean())

    @property
    def jf(self) -> float:
        """J&F: the mean of J and F."""
        return (self.j + self.f) / 2


class MeanScores(NamedTuple):
    """Means over objects, 0 to 1."""

    j: float
    f: float

    @property
    def jf(self) -> float:
        """J&F: the mean of J and F."""
        return (self.j + self.f) / 2


def object_scores(
    scores: SequenceScores, convention: Convention = "sav", *, skip_ends: bool | None = None
) -> list[ObjectScore]:
    """Score each object of a sequence; the score of the sequence is their mean (`mean_scores`).

    - "sav": as the SA-V evaluator and `vos-benchmark`. An object counts where the truth of a counted frame has it,
      from the first counted frame on where truth or prediction has it. Label 255 is an id like any other.
    - "davis": as DAVIS 2017, semi-supervised. Every object given (1 to the largest id on the first frame) counts on
      every counted frame, also where neither truth nor prediction has it. Label 255 is no object: score label maps with
      ``void=VOID``, its pixels are then ignored. (The program that prints the published numbers turns 255 into
      background before it looks for void pixels, so it never finds any; leave ``void`` out to reproduce that.)
    - "youtube-vos": every object counts from the first frame on where the truth has it. Label 255 is background.
      **Unverified**: the code of the server is not public. That the frame on which an object is given and the last
      frame count is our interpretation of "from its first frame on".

    J and F of one frame are the same in all conventions: two empty masks have 1, an empty and a non-empty one 0.

    Args:
        scores: all annotated frames of the sequence.
        convention: see above.
        skip_ends: leave out the first and the last annotated frame; None: in "sav" and "davis", not in "youtube-vos".

    Returns:
        the objects in order, without those that have no frame that counts (the SA-V program fails on these).
    """
    if skip_ends is None:
        skip_ends = convention != "youtube-vos"
    ends = 1 if skip_ends else 0
    rows = np.arange(ends, len(scores.f) - ends)
    seen = scores.truth[rows] > 0
    if convention == "sav":
        counted = np.logical_or.accumulate(seen | (scores.prediction[rows] > 0)) & seen.any(axis=0)
    elif convention == "davis":
        counted = np.ones_like(seen)
    else:
        counted = np.logical_or.accumulate(seen)
    objects, j = np.flatnonzero(counted.any(axis=0)).tolist(), scores.j
    frames = {i: rows[counted[:, i]] for i in objects}
    return [ObjectScore(scores.object_ids[i], frames[i], j[frames[i], i], scores.f[frames[i], i]) for i in objects]


def mean_scores(objects: Iterable[ObjectScore]) -> MeanScores:
    """Compute J and F of a sequence or a data set as means over its objects, whatever the length of their sequences.

    SA-V and DAVIS average a data set over all its objects, not over its sequences.

    Raises:
        FormatError: there is no object.
    """
    pairs = [(one.j, one.f) for one in objects]
    if not pairs:
        raise FormatError("expected at least one object to average over, got none")
    j, f = np.mean(pairs, axis=0).tolist()
    return MeanScores(j, f)


def davis_statistics(values: Float64[np.ndarray, " k"]) -> Statistics:
    """Compute mean, recall and decay of J or F over the k > 0 frames of one object; for a data set take their means.

    Decay compares the first and the last of four runs of frames that share their end frames. (The published program
    stores frame numbers in 8 bits; above 256 frames, more than in any DAVIS sequence, its decay differs.)
    """
    borders = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[borders[0] : borders[1] + 1], values[borders[3] : borders[4] + 1]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))
