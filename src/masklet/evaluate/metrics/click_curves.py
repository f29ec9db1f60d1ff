"""Interactive segmentation of images: number of clicks needed to reach an IoU (NoC)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from masklet.errors import FormatError

MAX_CLICKS = 20
"""Number of clicks after which NoC stops."""

Curves = Float64[np.ndarray, "objects clicks"]
"""IoU of each object after 1, 2, ... clicks, 0 to 1."""


def clicks_needed(iou: Curves, target: float, max_clicks: int = MAX_CLICKS) -> Int64[np.ndarray, " objects"]:
    """Count the clicks that each object needs to reach an IoU of at least ``target``; ``max_clicks`` if it never does.

    NoC@85 and NoC@90 are the means for 0.85 and 0.9. An object that needs the last click and one that fails count the
    same (as in RITM's evaluation); `failure_rate` distinguishes them.

    Raises:
        FormatError: no objects, or curves that stop before ``max_clicks`` without all having reached the target.
    """
    reached = iou[:, :max_clicks] >= target
    if not len(iou) or (iou.shape[1] < max_clicks and not reached.any(axis=1).all()):
        raise FormatError(
            f"expected objects with an IoU after {max_clicks} clicks or of at least {target:g}, "
            f"got {len(iou)} with {iou.shape[1]} clicks"
        )
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, max_clicks)


def failure_rate(iou: Curves, target: float, max_clicks: int = MAX_CLICKS) -> float:
    """Compute the share of objects that do not reach ``target`` within ``max_clicks``, 0 to 1."""
    clicks_needed(iou, target, max_clicks)  # checks the curves
    return float(1 - (iou[:, :max_clicks] >= target).any(axis=1).mean())
