"""Score the masks of a sequence against the true masks: frames in any order in, one row for each object out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from masklet.evaluate.metrics.cells import cell_overlaps
from masklet.evaluate.metrics.frames import FrameMetric, FrameScores
from masklet.evaluate.metrics.mose import MoseScore, mose_scores
from masklet.evaluate.metrics.presence import PresenceCounts
from masklet.evaluate.metrics.sequences import (
    Convention,
    ObjectScore,
    SequenceScores,
    davis_statistics,
    object_scores,
)
from masklet.io.datasets import VideoSequence
from masklet.types import FrameMasks, ObjectId

Rules = Literal["sav", "davis", "youtube-vos", "mosev2", "ctc"]
"""Scoring rules: those of `metrics.sequences.Convention`, MOSEv2's own, and "sav" with SEG for cells."""

RULES: dict[str, Rules] = {
    "davis2016": "davis",
    "davis2017": "davis",
    "youtube-vos-2018": "youtube-vos",
    "youtube-vos-2019": "youtube-vos",
    "mosev2": "mosev2",
    "ctc-seg": "ctc",
}
"""Rules by the name of a data set; "sav" for all others, as in the paper."""

CONVENTIONS: dict[Rules, Convention] = {
    "sav": "sav",
    "davis": "davis",
    "youtube-vos": "youtube-vos",
    "mosev2": "sav",
    "ctc": "sav",
}
"""Convention for J and F by rules."""

BINS = 10
"""Number of parts of a sequence for which J&F is reported."""


@dataclass(frozen=True)
class Notice:
    """A remark that readers of the numbers must know; the report counts them by kind.

    Attributes:
        kind: category, a few words.
        where: the sequence, image or file.
        detail: what was expected and what was found.
    """

    kind: str
    where: str
    detail: str


class SequenceScorer:
    """Compares masks of a sequence with the true masks, frame by frame in any order; later masks replace earlier ones.

    Void pixels are ignored (YouTube-VOS: they are background). An object that the annotators omitted on a frame is not
    scored there. Which frames count is decided for each object, as in SA-V. ``object_ids`` limits the objects.
    """

    def __init__(self, sequence: VideoSequence, rules: Rules, object_ids: Collection[ObjectId] | None = None) -> None:
        self.sequence = sequence
        self.rules = rules
        self.object_ids = tuple(self._counted() if object_ids is None else object_ids)
        self.metric = FrameMetric(adaptive=rules == "mosev2")
        self._annotated = frozenset(sequence.annotated)
        self._cells: dict[int, list[float]] = {}
        self._frames: defaultdict[ObjectId, dict[int, FrameScores]] = defaultdict(dict)

    def _counted(self) -> Collection[ObjectId]:
        """Return the scored objects: all of them; by DAVIS's rules 1 to the largest id on the first frame."""
        objects = self.sequence.objects
        if self.rules != "davis" or not objects:
            return list(objects)
        first = self.sequence.truth(self.sequence.annotated[0])
        return range(1, max((i for i in first.object_ids if first[i].any()), default=0) + 1)

    def add(self, masks: FrameMasks) -> None:
        """Score one frame, if it is annotated; objects without a mask count as empty."""
        if masks.frame_index not in self._annotated:
            return
        truth = self.sequence.truth(masks.frame_index)
        if self.rules == "ctc":
            overlaps = cell_overlaps(masks.label_map(), truth.as_masks().label_map())
            self._cells[masks.frame_index] = overlaps.tolist()
        ids = [i for i in self.object_ids if i not in truth.unknown]
        if not ids:
            return
        void = None if self.rules == "youtube-vos" else truth.void
        predicted = np.stack([masks[i] if i in masks.object_ids else np.zeros(truth.size, bool) for i in ids])
        scores = self.metric.score_masks(predicted, np.stack([truth[i] for i in ids]), void)
        for row, object_id in enumerate(ids):
            self._frames[object_id][masks.frame_index] = _row(scores, row)

    def fill(self) -> None:
        """Score the annotated frames that were not added as frames without masks."""
        done = {frame for frames in self._frames.values() for frame in frames}
        for frame_index in sorted(self._annotated - done):
            self.add(no_masks(frame_index, self.sequence.size))

    @property
    def cells(self) -> list[float]:
        """Jaccard index of every true cell of every frame with the matching cell (cell tracking only)."""
        return [overlap for _, overlaps in sorted(self._cells.items()) for overlap in overlaps]

    def scores(self, object_id: ObjectId) -> tuple[tuple[int, ...], SequenceScores]:
        """Return the scored frames of an object, and its scores on them."""
        frames = sorted(self._frames[object_id].items())
        return tuple(i for i, _ in frames), SequenceScores.from_frames((object_id,), [scores for _, scores in frames])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the scores of each object, 0 to 1; objects without a counted frame are left out."""
        for object_id in self.object_ids:
            if self._frames[object_id]:
                yield from self._object_rows(object_id)

    def _object_rows(self, object_id: ObjectId) -> Iterator[dict[str, Any]]:
        frames, scores = self.scores(object_id)
        for counted in object_scores(scores, CONVENTIONS[self.rules]):
            row: dict[str, Any] = {
                "object": object_id,
                "category": self.sequence.categories.get(object_id, ""),
                "first_frame": self.sequence.objects.get(object_id, frames[0]),
                "frames": len(counted.frames),
                "J": counted.j,
                "F": counted.f,
                "JF": counted.jf,
                "course": _segments(counted, len(frames)),
                "presence": _presence(scores, counted),
            }
            if object_id in self.sequence.seen:
                row["seen"] = self.sequence.seen[object_id]
            if self.rules == "davis":
                row |= _statistics(counted)
            if self.rules == "mosev2":
                row |= _mose(mose_scores(scores)[object_id])
            yield row


def frame_masks(
    frame_index: int, masks: Bool[np.ndarray, "n h w"], object_ids: tuple[ObjectId, ...] | None = None
) -> FrameMasks:
    """Return masks of a frame with scores of 1; ids count from 1 if none are given."""
    scores = np.ones(len(masks), np.float32)
    ids = tuple(range(1, len(masks) + 1)) if object_ids is None else object_ids
    return FrameMasks(frame_index, ids, masks, presence=scores, iou=scores)


def no_masks(frame_index: int, size: tuple[int, int]) -> FrameMasks:
    """Return the masks of a frame without objects."""
    return frame_masks(frame_index, np.zeros((0, *size), bool))


def notices(sequence: VideoSequence) -> list[Notice]:
    """Return the problems of a sequence."""
    return [Notice(found.kind, found.where, found.detail) for found in (*sequence.problems(), *sequence.id_problems())]


def unscored_objects(sequence: VideoSequence, rows: list[dict[str, Any]], rules: Rules) -> list[Notice]:
    """Return a notice for each object without a row of scores, and for each row of an object that is never visible."""
    left_out = sorted(set(sequence.objects) - {row["object"] for row in rows})
    not_scored = f"no frame of it counts by the rules {rules!r}"
    phantoms = [row["object"] for row in rows if row["object"] not in sequence.objects]
    counted = f"no frame shows it, but it counts by the rules {rules!r}, as in their evaluator"
    return [
        *(Notice("object not scored", sequence.name, f"object {i}: {not_scored}") for i in left_out),
        *(Notice("object without a pixel", sequence.name, f"object {i}: {counted}") for i in phantoms),
    ]


def _row(scores: FrameScores, row: int) -> FrameScores:
    one = slice(row, row + 1)
    adaptive = None if scores.adaptive_f is None else scores.adaptive_f[one]
    return FrameScores(scores.intersection[one], scores.prediction[one], scores.truth[one], scores.f[one], adaptive)


def _segments(score: ObjectScore, total: int) -> list[float | None]:
    """Return the mean J&F over each tenth of the sequence; None where no frame of it counts."""
    values = (score.j_frames + score.f_frames) / 2
    places = np.minimum(score.frames * BINS // max(total, 1), BINS - 1)
    return [float(values[places == place].mean()) if (places == place).any() else None for place in range(BINS)]


def _presence(scores: SequenceScores, counted: ObjectScore) -> list[int]:
    return list(astuple(PresenceCounts.of(scores.prediction[counted.frames] > 0, scores.truth[counted.frames] > 0)))


def _statistics(score: ObjectScore) -> dict[str, float]:
    j, f = davis_statistics(score.j_frames), davis_statistics(score.f_frames)
    return {"J_recall": j.recall, "J_decay": j.decay, "F_recall": f.recall, "F_decay": f.decay}


def _mose(score: MoseScore) -> dict[str, float | None]:
    """Return MOSEv2's scores; its J and F replace the others."""
    return {
        "J": score.adaptive.j,
        "F": score.adaptive.f,
        "JF": score.adaptive.jf,
        "F_standard": score.standard.f,
        "JF_disappearance": score.disappearance and score.disappearance.jf,
        "JF_reappearance": score.reappearance and score.reappearance.jf,
    }
