"""Simulated clicks: the center of a region, and the next corrective click."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage

from masklet.errors import PromptError


class Click(NamedTuple):
    """A positive (include) or negative (exclude) click on the pixel (x, y)."""

    x: int
    y: int
    positive: bool


def center_click(region: Bool[np.ndarray, "h w"]) -> tuple[int, int]:
    """Return (x, y) of the pixel farthest from the outside of a region, the first one in reading order.

    Distances are Euclidean; beyond the image border is outside.

    Raises:
        PromptError: the region is empty.
    """
    if not region.any():
        raise PromptError("expected a region with at least one pixel, got an empty one")
    return _deepest(_depth(region))


def next_click(prediction: Bool[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"]) -> Click | None:
    """Return the click at the center of the largest error region; None if the prediction is correct.

    False negatives get a positive click, false positives a negative one. The largest region is the one with the
    largest distance to its outside, as in SAM 2's evaluation; on ties the click is positive.
    """
    missing, surplus = _depth(truth & ~prediction), _depth(prediction & ~truth)
    positive = bool(missing.max(initial=0) >= surplus.max(initial=0))
    depth = missing if positive else surplus
    return Click(*_deepest(depth), positive) if depth.any() else None


def _depth(region: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    depth: Float64[np.ndarray, "..."] = ndimage.distance_transform_edt(np.pad(region, 1))
    return depth[1:-1, 1:-1]


def _deepest(depth: Float64[np.ndarray, "h w"]) -> tuple[int, int]:
    y, x = divmod(int(depth.argmax()), depth.shape[1])
    return x, y
