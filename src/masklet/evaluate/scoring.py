"""One sequence against its truth: masks in as they are made, one row for each object out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
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
"""What counts and is measured: `metrics.sequences.Convention`, MOSEv2's own, and "sav" with SEG for cells."""

RULES: dict[str, Rules] = {
    "davis2016": "davis",
    "davis2017": "davis",
    "youtube-vos-2018": "youtube-vos",
    "youtube-vos-2019": "youtube-vos",
    "mosev2": "mosev2",
    "ctc-seg": "ctc",
}
"""The rules of a data set by its name; "sav" for every other one, as in the paper."""

CONVENTIONS: dict[Rules, Convention] = {
    "sav": "sav",
    "davis": "davis",
    "youtube-vos": "youtube-vos",
    "mosev2": "sav",
    "ctc": "sav",
}
"""By whose rules J and F are counted."""

BINS = 10
"""Parts of a sequence over which its course is told."""


@dataclass(frozen=True)
class Notice:
    """Something that a reader of the numbers must know; counted by kind in the report.

    Attributes:
        kind: a few words to count by.
        where: the sequence, picture or file.
        detail: what was expected and what came.
    """

    kind: str
    where: str
    detail: str


class SequenceScorer:
    """Compares the masks of a sequence with the truth, frame by frame and in any order; a later answer replaces one.

    Pixels that the truth leaves open count for nothing (YouTube-VOS: they are background). An object that the
    annotators left out on a frame is not scored there; which of its frames count is decided by its own, as in SA-V.

    Args:
        sequence: the truth.
        rules: what counts.
        object_ids: only these objects; None for all.
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
        """All objects; by DAVIS's rules those given on the first frame, in a row."""
        objects = self.sequence.objects
        if self.rules != "davis" or not objects:
            return list(objects)
        first = self.sequence.truth(self.sequence.annotated[0])
        return range(1, max((i for i in first.object_ids if first[i].any()), default=0) + 1)

    def add(self, masks: FrameMasks) -> None:
        """Compare one frame, if it is annotated; an object without a mask has an empty one."""
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
        given = np.stack([masks[i] if i in masks.object_ids else np.zeros(truth.size, bool) for i in ids])
        scores = self.metric.score_masks(given, np.stack([truth[i] for i in ids]), void)
        for row, object_id in enumerate(ids):
            self._frames[object_id][masks.frame_index] = _row(scores, row)

    def fill(self) -> None:
        """Count the annotated frames that were never added as frames without masks."""
        done = {frame for frames in self._frames.values() for frame in frames}
        for frame_index in sorted(self._annotated - done):
            self.add(no_masks(frame_index, self.sequence.size))

    @property
    def cells(self) -> list[float]:
        """Of cell tracking, the Jaccard index of every true cell of every frame with the cell that matches it."""
        return [overlap for _, overlaps in sorted(self._cells.items()) for overlap in overlaps]

    def scores(self, object_id: ObjectId) -> tuple[tuple[int, ...], SequenceScores]:
        """The frames of an object that were compared, and what they say."""
        frames = sorted(self._frames[object_id].items())
        return tuple(i for i, _ in frames), SequenceScores.from_frames((object_id,), [scores for _, scores in frames])

    def rows(self) -> Iterator[dict[str, Any]]:
        """What each object scores, 0 to 1; objects of which no frame counts are left out."""
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
                "course": _course(counted, len(frames)),
                "presence": _presence(scores, counted),
            }
            if object_id in self.sequence.seen:
                row["seen"] = self.sequence.seen[object_id]
            if self.rules == "davis":
                row |= _statistics(counted)
            if self.rules == "mosev2":
                row |= _mose(mose_scores(scores)[object_id])
            yield row


def no_masks(frame_index: int, size: tuple[int, int]) -> FrameMasks:
    """A frame without any object."""
    nothing = np.zeros(0, np.float32)
    empty: Bool[np.ndarray, "0 h w"] = np.zeros((0, *size), bool)
    return FrameMasks(frame_index, (), empty, presence=nothing, iou=nothing)


def notices(sequence: VideoSequence) -> list[Notice]:
    """What is odd about a sequence, and what of it does not count."""
    return [Notice(found.kind, found.where, found.detail) for found in (*sequence.problems(), *sequence.id_problems())]


def uncounted(sequence: VideoSequence, rows: list[dict[str, Any]], rules: Rules) -> list[Notice]:
    """A notice for each object of the truth that has no row, and for each row of an object that nothing shows."""
    left_out = sorted(set(sequence.objects) - {row["object"] for row in rows})
    told = f"no frame of it counts by the rules {rules!r}"
    phantoms = [row["object"] for row in rows if row["object"] not in sequence.objects]
    counted = f"no frame shows it, but it counts by the rules {rules!r}, as in their evaluator"
    return [
        *(Notice("object not scored", sequence.name, f"object {i}: {told}") for i in left_out),
        *(Notice("object without a pixel", sequence.name, f"object {i}: {counted}") for i in phantoms),
    ]


def _row(scores: FrameScores, row: int) -> FrameScores:
    one = slice(row, row + 1)
    adaptive = None if scores.adaptive_f is None else scores.adaptive_f[one]
    return FrameScores(scores.intersection[one], scores.prediction[one], scores.truth[one], scores.f[one], adaptive)


def _course(score: ObjectScore, total: int) -> list[float | None]:
    """Mean J&F over each tenth of the sequence, None where no frame of it counts."""
    values = (score.j_frames + score.f_frames) / 2
    places = np.minimum(score.frames * BINS // max(total, 1), BINS - 1)
    return [float(values[places == place].mean()) if (places == place).any() else None for place in range(BINS)]


def _presence(scores: SequenceScores, counted: ObjectScore) -> list[int]:
    found = PresenceCounts.of(scores.prediction[counted.frames] > 0, scores.truth[counted.frames] > 0)
    return [found.found, found.missed, found.imagined, found.absent]


def _statistics(score: ObjectScore) -> dict[str, float]:
    j, f = davis_statistics(score.j_frames), davis_statistics(score.f_frames)
    return {"J_recall": j.recall, "J_decay": j.decay, "F_recall": f.recall, "F_decay": f.decay}


def _mose(score: MoseScore) -> dict[str, float | None]:
    """MOSEv2's numbers; its J and F take the place of the others."""
    return {
        "J": score.adaptive.j,
        "F": score.adaptive.f,
        "JF": score.adaptive.jf,
        "F_standard": score.standard.f,
        "JF_disappearance": score.disappearance and score.disappearance.jf,
        "JF_reappearance": score.reappearance and score.reappearance.jf,
    }
