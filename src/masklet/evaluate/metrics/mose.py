"""MOSEv2 (Ding et al. 2025, arXiv 2508.05630): smoothed J, adaptive F, disappearance and reappearance.

The scores follow the evaluation kit of the authors; where the paper differs, the kit decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from masklet.errors import FormatError
from masklet.evaluate.metrics.sequences import MeanScores, SequenceScores
from masklet.types import ObjectId


@dataclass(frozen=True)
class MoseScore:
    """Scores of one object of one sequence, or means over many; 0 to 1.

    Attributes:
        adaptive: J, and F with the adaptive radius; its ``jf`` is the benchmark's main number.
        standard: the same J, and F with a radius of 0.008 of the diagonal.
        disappearance: J and adaptive F over the intervals in which an object seen before is absent; None if there are
            none.
        reappearance: J and adaptive F over the intervals in which it is visible again, up to the next disappearance;
            None if there are none. An object that is absent at first reappears when it first becomes visible.
    """

    adaptive: MeanScores
    standard: MeanScores
    disappearance: MeanScores | None
    reappearance: MeanScores | None


def mose_scores(scores: SequenceScores) -> dict[ObjectId, MoseScore]:
    """Score each object of a sequence by the rules of MOSEv2.

    The first and the last frame are left out; all others count, also those before the object is visible. J is
    (intersection + 1) / (union + 1). The score of an interval is its mean, that of an object the mean of its intervals.

    The standard F is that of DAVIS; the kit differs on frames where the adaptive radius reaches its limit: there it
    does not round the standard radius up to pixels either.

    Raises:
        FormatError: fewer than three frames, or scores without adaptive F.
    """
    if scores.adaptive_f is None:
        raise FormatError("MOSEv2 needs the adaptive F: score the frames with FrameMetric(adaptive=True)")
    if len(scores.f) < 3:
        raise FormatError(f"expected at least 3 frames, as the first and the last do not count, got {len(scores.f)}")
    smoothed = (scores.intersection + 1) / (scores.union + 1)
    found = {}
    for column, object_id in enumerate(scores.object_ids):
        measures = np.stack([smoothed[1:-1, column], scores.adaptive_f[1:-1, column]])
        absent, visible = _intervals(scores.truth[1:-1, column] > 0)
        adaptive = _mean([measures])
        assert adaptive is not None
        found[object_id] = MoseScore(
            adaptive=adaptive,
            standard=MeanScores(adaptive.j, float(scores.f[1:-1, column].mean())),
            disappearance=_mean([measures[:, interval] for interval in absent]),
            reappearance=_mean([measures[:, interval] for interval in visible]),
        )
    return found


def mean_mose(objects: Iterable[MoseScore]) -> MoseScore:
    """Compute the mean over all objects of a data set; each mean is over the objects that have the score.

    Raises:
        FormatError: there is no object.
    """
    every = list(objects)
    adaptive, standard = (_over(values) for values in ([o.adaptive for o in every], [o.standard for o in every]))
    if adaptive is None or standard is None:
        raise FormatError("expected at least one object to average over, got none")
    return MoseScore(
        adaptive, standard, _over([o.disappearance for o in every]), _over([o.reappearance for o in every])
    )


def _intervals(visible: Bool[np.ndarray, " t"]) -> tuple[list[slice], list[slice]]:
    """Return the intervals of absence after the object was visible, and those in which it is visible again."""
    changes = np.flatnonzero(visible[1:] != visible[:-1]) + 1
    runs = [slice(a, b) for a, b in zip([0, *changes.tolist()], [*changes.tolist(), len(visible)], strict=True)]
    return [run for run in runs[1:] if not visible[run.start]], [run for run in runs[1:] if visible[run.start]]


def _mean(intervals: Sequence[Float64[np.ndarray, "2 _"]]) -> MeanScores | None:
    return _over([MeanScores(*interval.mean(axis=1).tolist()) for interval in intervals])


def _over(scores: Sequence[MeanScores | None]) -> MeanScores | None:
    some = [score for score in scores if score is not None]
    return MeanScores(*np.mean(some, axis=0).tolist()) if some else None
