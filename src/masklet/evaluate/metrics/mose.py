"""MOSEv2 (Ding et al. 2025, arXiv 2508.05630): smoothed J, adaptive F, and how well vanishing and return are tracked.

All follows the evaluation kit that the authors publish; where the paper says it in other words, the kit decides.
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
    """One object of one sequence, or the mean over many; all 0 to 1.

    Attributes:
        adaptive: J, and F with the adaptive radius; its ``jf`` is the benchmark's main number.
        standard: the same J, and F with a radius of 0.008 of the diagonal.
        disappearance: J and adaptive F over the stretches where an object seen before is gone; None where there are
            none.
        reappearance: J and adaptive F over the stretches where it is back, up to the next disappearance; None where
            there are none. An object that is absent at first reappears when it first shows.
    """

    adaptive: MeanScores
    standard: MeanScores
    disappearance: MeanScores | None
    reappearance: MeanScores | None


def mose_scores(scores: SequenceScores) -> dict[ObjectId, MoseScore]:
    """What each object of a sequence scores by the rules of MOSEv2.

    The first and the last frame are left out; all others count, also those before the object shows. J is
    (intersection + 1) / (union + 1). A stretch counts with its mean, an object with the mean of its stretches.

    The kit's standard F is that of DAVIS, as here, but for frames where the adaptive radius reaches its limit: there
    the kit does not round the standard radius up to whole pixels either.

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
        gone, back = _stretches(scores.truth[1:-1, column] > 0)
        adaptive = _mean([measures])
        assert adaptive is not None
        found[object_id] = MoseScore(
            adaptive=adaptive,
            standard=MeanScores(adaptive.j, float(scores.f[1:-1, column].mean())),
            disappearance=_mean([measures[:, stretch] for stretch in gone]),
            reappearance=_mean([measures[:, stretch] for stretch in back]),
        )
    return found


def mean_mose(objects: Iterable[MoseScore]) -> MoseScore:
    """The mean over all objects of a data set; a score that an object lacks stays out of that mean.

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


def _stretches(visible: Bool[np.ndarray, " t"]) -> tuple[list[slice], list[slice]]:
    """Where the object is gone after it was seen, and where it is back after it was gone."""
    changes = np.flatnonzero(visible[1:] != visible[:-1]) + 1
    runs = [slice(a, b) for a, b in zip([0, *changes.tolist()], [*changes.tolist(), len(visible)], strict=True)]
    return [run for run in runs[1:] if not visible[run.start]], [run for run in runs[1:] if visible[run.start]]


def _mean(stretches: Sequence[Float64[np.ndarray, "2 _"]]) -> MeanScores | None:
    return _over([MeanScores(*stretch.mean(axis=1).tolist()) for stretch in stretches])


def _over(scores: Sequence[MeanScores | None]) -> MeanScores | None:
    some = [score for score in scores if score is not None]
    return MeanScores(*np.mean(some, axis=0).tolist()) if some else None
