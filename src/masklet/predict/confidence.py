"""Calibrated confidence: the probability that a tracked mask is right, from what the model predicts about it.

The constants are fit on annotated videos by `benchmarks/confidence.py`, which writes `weights/confidence.json`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from masklet.model.tensors import ChosenMask
from masklet.tracking.policies import Candidate

MIN_RIGHT_IOU = 0.75
"""A mask is right where its IoU with the truth is at least this, or where both are empty."""
MAX_LOGIT = 8.0
"""The presence logit is clamped to +- this."""


class ConfidenceInputs(NamedTuple):
    """What the confidence of a tracked mask is computed from.

    Attributes:
        presence: logit of the presence head.
        iou: predicted IoU, 0 to 1.
        stability: IoU of the mask at a stricter and at a looser threshold, 0 to 1.
        agreement: mean IoU with the decoder's other candidates, and with the other hypotheses, the lower of the two.
        similarity: appearance similarity of the mask to the object's references (`tracking.policies.appearance_gate`).
        visible: whether the mask is not empty.
    """

    presence: float
    iou: float
    stability: float
    agreement: float
    similarity: float
    visible: bool

    @classmethod
    def of(cls, candidates: Sequence[Candidate]) -> ConfidenceInputs:
        """The inputs for the first of an object's candidates."""
        best = candidates[0]
        mask = best.chosen.logits > 0
        stability, agreement, similarity = best.quality.tolist()
        for other in {id(c.chosen): c.chosen for c in candidates[1:]}.values():
            theirs = other.logits > 0
            either = int((mask | theirs).sum())
            agreement = min(agreement, int((mask & theirs).sum()) / either if either else 1.0)
        score, iou = float(best.chosen.object_score[0]), float(best.chosen.iou[0])
        return cls(score, iou, stability, agreement, similarity, score > 0 and bool(mask.any()))

    @classmethod
    def absent(cls, mask: ChosenMask) -> ConfidenceInputs:
        """The inputs for an object that stays absent because a person marked it so."""
        return cls(float(mask.object_score[0]), float(mask.iou[0]), 1.0, 1.0, 0.0, visible=False)

    @property
    def features(self) -> tuple[float, ...]:
        """The features that the calibration weighs: all, or only presence and similarity for an empty mask."""
        presence = max(-MAX_LOGIT, min(MAX_LOGIT, self.presence))
        if not self.visible:
            return (1.0, presence, self.similarity)
        iou = min(max(self.iou, 1e-3), 1 - 1e-3)
        return (1.0, presence, math.log(iou / (1 - iou)), self.stability, self.agreement, self.similarity)


def confidence(inputs: ConfidenceInputs, model: str) -> float:
    """Probability that a mask is right (`MIN_RIGHT_IOU`).

    Args:
        inputs: of the mask.
        model: name of the model. For one without calibration the result is the presence times the predicted IoU, or
            for an empty mask the probability that the object is absent.
    """
    table = constants().get(model)
    if table is None:
        presence = 1 / (1 + math.exp(-max(-60.0, min(60.0, inputs.presence))))
        return presence * inputs.iou if inputs.visible else 1 - presence
    weights = table["visible" if inputs.visible else "absent"]
    return 1 / (1 + math.exp(-sum(w * x for w, x in zip(weights, inputs.features, strict=True))))


def reads_appearance(model: str) -> bool:
    """Whether the confidence of a model's masks depends on their appearance."""
    return model in constants()


@cache
def constants() -> dict[str, dict[str, list[float]]]:
    """Model name -> weights of `ConfidenceInputs.features`, for visible and for empty masks."""
    table: dict[str, dict[str, list[float]]] = json.loads(
        files("masklet").joinpath("weights/confidence.json").read_text(encoding="utf-8")
    )["models"]
    return table
