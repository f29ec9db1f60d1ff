"""How far a tracked mask can be trusted: what it says of itself as one calibrated number.

The constants are fit on annotated videos by `benchmarks/confidence.py`, which writes `weights/confidence.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from masklet.tracking.policies import Branch
from masklet.types import FrameMasks, ObjectId

RIGHT = 0.75
"""A mask is right where its IoU with the truth is at least this, or where both are empty."""
CLIP = 8.0
"""Logits count up to this."""


class Signs(NamedTuple):
    """What a tracked mask says of itself.

    Attributes:
        presence: logit of the presence head.
        iou: predicted IoU, 0 to 1.
        stability: IoU of the mask at a stricter and at a looser threshold, 0 to 1.
        agreement: mean IoU with the decoder's other candidates, and where several stories are followed, with theirs.
        likeness: cosine similarity of what is under the mask with the look of the object most like it
            (`tracking.policies.likeness`).
        visible: whether the mask is not empty.
    """

    presence: float
    iou: float
    stability: float
    agreement: float
    likeness: float
    visible: bool

    @classmethod
    def of(cls, branches: Sequence[Branch]) -> Signs:
        """Of the first of the ways in which an object's stories go on."""
        best = branches[0]
        mask = best.chosen.logits > 0
        stability, agreement, likeness = best.signs.tolist()
        for other in {id(b.chosen): b.chosen for b in branches[1:]}.values():
            theirs = other.logits > 0
            either = int((mask | theirs).sum())
            agreement = min(agreement, int((mask & theirs).sum()) / either if either else 1.0)
        score, iou = float(best.chosen.object_score[0]), float(best.chosen.iou[0])
        return cls(score, iou, stability, agreement, likeness, score > 0 and bool(mask.any()))

    @property
    def features(self) -> tuple[float, ...]:
        """What the calibration weighs; of an empty mask, its presence and its likeness before it was emptied."""
        presence = max(-CLIP, min(CLIP, self.presence))
        if not self.visible:
            return (1.0, presence, self.likeness)
        iou = min(max(self.iou, 1e-3), 1 - 1e-3)
        return (1.0, presence, math.log(iou / (1 - iou)), self.stability, self.agreement, self.likeness)


def confidence(signs: Signs, model: str) -> float:
    """Probability that a mask is right (`RIGHT`).

    Args:
        signs: of the mask.
        model: name of the model. Of one that nobody calibrated, this is the presence times the predicted IoU, or for
            an empty mask the probability that the object is absent.
    """
    table = constants().get(model)
    if table is None:
        presence = 1 / (1 + math.exp(-max(-60.0, min(60.0, signs.presence))))
        return presence * signs.iou if signs.visible else 1 - presence
    weights = table["visible" if signs.visible else "absent"]
    return 1 / (1 + math.exp(-sum(w * x for w, x in zip(weights, signs.features, strict=True))))


@cache
def constants() -> dict[str, dict[str, list[float]]]:
    """Model name -> weights of `Signs.features`, for masks that are not empty and for empty ones."""
    table: dict[str, dict[str, list[float]]] = json.loads(
        files("masklet").joinpath("weights/confidence.json").read_text(encoding="utf-8")
    )["models"]
    return table


def with_confidence(out: FrameMasks, signs: Mapping[ObjectId, Signs], model: str) -> FrameMasks:
    """The same, with the confidence of tracked masks; masks that a person prompted have their predicted IoU."""
    values = [
        confidence(signs[i], model) if i in signs else float(iou)
        for i, iou in zip(out.object_ids, out.iou, strict=True)
    ]
    return replace(out, confidence=np.array(values, np.float32))
