"""Calibrated confidence: the probability that a tracked mask is right, from what the model predicts about it.

The constants are fit on annotated videos by `benchmarks/confidence.py`, which writes `weights/confidence.json`.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib.resources import files

from masklet.tracking.policies import MaskScores

MIN_RIGHT_IOU = 0.75
"""A mask is right where its IoU with the truth is at least this, or where both are empty."""
MAX_LOGIT = 8.0
"""The presence logit is clamped to +- this."""


def features(scores: MaskScores) -> tuple[float, ...]:
    """The features that the calibration weighs: all, or only presence and similarity for an empty mask."""
    presence = max(-MAX_LOGIT, min(MAX_LOGIT, scores.presence))
    if not scores.visible:
        return (1.0, presence, scores.similarity)
    iou = min(max(scores.iou, 1e-3), 1 - 1e-3)
    return (1.0, presence, math.log(iou / (1 - iou)), scores.stability, scores.agreement, scores.similarity)


def confidence(scores: MaskScores, model: str) -> float:
    """Probability that a mask is right (`MIN_RIGHT_IOU`).

    Args:
        scores: of the mask.
        model: name of the model. For one without calibration the result is the presence times the predicted IoU, or
            for an empty mask the probability that the object is absent.
    """
    table = constants().get(model)
    if table is None:
        presence = 1 / (1 + math.exp(-max(-60.0, min(60.0, scores.presence))))
        return presence * scores.iou if scores.visible else 1 - presence
    weights = table["visible" if scores.visible else "absent"]
    return 1 / (1 + math.exp(-sum(w * x for w, x in zip(weights, features(scores), strict=True))))


def reads_appearance(model: str) -> bool:
    """Whether the confidence of a model's masks depends on their appearance."""
    return model in constants()


@cache
def constants() -> dict[str, dict[str, list[float]]]:
    """Model name -> weights of `features`, for visible and for empty masks."""
    table: dict[str, dict[str, list[float]]] = json.loads(
        files("masklet").joinpath("weights/confidence.json").read_text(encoding="utf-8")
    )["models"]
    return table
