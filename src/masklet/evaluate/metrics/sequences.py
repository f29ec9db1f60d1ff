"""J, F and J&F of objects, sequences and data sets, counted as SA-V, DAVIS 2017 and YouTube-VOS count them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from masklet.errors import FormatError
from masklet.evaluate.metrics.frames import VOID, FrameScores, Labels, Overlaps
from masklet.types import ObjectId

Convention = Literal["sav", "davis", "youtube-vos"]
"""Which objects and frames of a sequence count (see `object_scores`)."""


@dataclass(frozen=True, eq=False)
class SequenceScores(Overlaps):
    """All annotated frames of one sequence, t frames and n objects.

    Attributes:
        object_ids: the n objects.
        intersection: (t, n) pixels in both masks.
        prediction: (t, n) pixels in the predicted masks.
        truth: (t, n) pixels in the true masks.
        f: (t, n) boundary measure, 0 to 1.
        adaptive_f: (t, n) the same with MOSEv2's radius, or None.
    """

    object_ids: tuple[ObjectId, ...]
    intersection: Int64[np.ndarray, "t n"]
    prediction: Int64[np.ndarray, "t n"]
    truth: Int64[np.ndarray, "t n"]
    f: Float64[np.ndarray, "t n"]
    adaptive_f: Float64[np.ndarray, "t n"] | None = None

    @classmethod
    def from_frames(cls, object_ids: Sequence[ObjectId], frames: Sequence[FrameScores]) -> SequenceScores:
        """Put the scores of a sequence's frames together, in order.

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
            object_ids=tuple(object_ids),
            intersection=np.stack([frame.intersection for frame in frames]),
            prediction=np.stack([frame.prediction for frame in frames]),
            truth=np.stack([frame.truth for frame in frames]),
            f=np.stack([frame.f for frame in frames]),
            adaptive_f=np.stack(adaptive) if len(adaptive) == len(frames) else None,
        )


class Statistics(NamedTuple):
    """Of a measure over the frames of one object (Perazzi et al. 2016, section 4).

    mean: 0 to 1. recall: share of frames above 0.5. decay: mean of the first quarter of the frames less that of the
    last, -1 to 1; small is good.
    """

    mean: float
    recall: float
    decay: float


@dataclass(frozen=True, eq=False)
class ObjectScore:
    """One object of one sequence, over the frames that count.

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
    """What each object of a sequence scores; `mean_scores` of them is what the sequence scores.

    - "sav": as the SA-V evaluator and `vos-benchmark`. An object counts where the truth of a counted frame has it,
      from the first counted frame on where truth or prediction has it. Label 255 is an id like any other.
    - "davis": as DAVIS 2017, semi-supervised. Every object given (`davis_object_ids`) counts on every counted frame,
      also where neither truth nor prediction has it. Label 255 is no object: score label maps with ``void=VOID``,
      its pixels then count for nothing. (The program that prints the published numbers turns 255 into background
      before it looks for void pixels, so it never finds any; leave ``void`` out to repeat that.)
    - "youtube-vos": every object counts from the first frame on where the truth has it. Label 255 is background.
      **Definition unverified**: the server's code is not public. Whether the frame on which an object is given counts,
      and whether the last frame does, is our reading of "from its first frame on".

    J and F of one frame are the same for all: two empty masks have 1, an empty one against a filled one has 0.

    Args:
        scores: all annotated frames of the sequence.
        convention: see above.
        skip_ends: leave the first and the last annotated frame out; None: "sav" and "davis" do, "youtube-vos" not.

    Returns:
        Objects in order; those with no frame that counts are left out (the SA-V program stops at these).
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
    kept = {i: rows[counted[:, i]] for i in objects}
    return [ObjectScore(scores.object_ids[i], kept[i], j[kept[i], i], scores.f[kept[i], i]) for i in objects]


def mean_scores(objects: Iterable[ObjectScore]) -> MeanScores:
    """J and F of a sequence or of a whole data set: the mean over its objects, each alike however long its sequence.

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
    """Mean, recall and decay of J or F over the frames of one object, k > 0; a data set has the means of these.

    Decay compares the first and the last of four runs of frames that share their end frames. (The published program
    holds the frame numbers in 8 bits; above 256 frames, longer than any DAVIS sequence, its decay is another one.)
    """
    borders = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[borders[0] : borders[1] + 1], values[borders[3] : borders[4] + 1]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def davis_object_ids(first_truth: Labels) -> tuple[ObjectId, ...]:
    """The objects that DAVIS 2017 scores: 1 to the largest id on the first frame, also those with no pixel there."""
    named: Bool[np.ndarray, "h w"] = first_truth != VOID
    return tuple(range(1, int(first_truth.max(where=named, initial=0)) + 1))


def matched_sequences(truth: Collection[str], predicted: Collection[str], *, strict: bool = False) -> list[str]:
    """Which sequences to score, by name in order: those with both truth and prediction.

    Raises:
        FormatError: with ``strict``, when one side has a sequence that the other lacks (SA-V's ``--strict``); always,
            when no sequence has both.
    """
    missing, surplus = sorted(set(truth) - set(predicted)), sorted(set(predicted) - set(truth))
    if strict and (missing or surplus):
        raise FormatError(
            f"expected predictions for exactly the {len(set(truth))} sequences of the truth: "
            f"{_named(missing)} missing, {_named(surplus)} too many"
        )
    both = sorted(set(truth) & set(predicted))
    if not both:
        raise FormatError(f"no sequence has both truth ({_named(missing)}) and prediction ({_named(surplus)})")
    return both


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} ({shown})" if names else "0"


@dataclass(frozen=True)
class SeenUnseen:
    """YouTube-VOS: means over the objects of categories that training had (seen) and had not (unseen); 0 to 1.

    A side without objects is None and stays out of the overall score.
    """

    seen: MeanScores | None
    unseen: MeanScores | None

    @classmethod
    def of(cls, seen: Sequence[ObjectScore], unseen: Sequence[ObjectScore]) -> SeenUnseen:
        """Average both sides."""
        return cls(mean_scores(seen) if seen else None, mean_scores(unseen) if unseen else None)

    @property
    def overall(self) -> float:
        """G: the mean of J seen, J unseen, F seen and F unseen (Xu et al. 2018, section 4).

        Raises:
            FormatError: neither side has an object.
        """
        values = [value for side in (self.seen, self.unseen) if side is not None for value in side]
        if not values:
            raise FormatError("expected at least one object, seen or unseen, got none")
        return float(np.mean(values))
