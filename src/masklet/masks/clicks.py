"""Where a careful person would click: the middle of a region, a random pixel of it, the next correction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from scipy import ndimage

from masklet.errors import PromptError


class Click(NamedTuple):
    """A click on the pixel (x, y): positive says "this too", negative "not this"."""

    x: int
    y: int
    positive: bool


def center_click(region: Bool[np.ndarray, "h w"]) -> tuple[int, int]:
    """(x, y) of the pixel deepest inside a region, the first such in reading order.

    Depth is the Euclidean distance to the nearest pixel outside; beyond the border of the picture is outside.

    Raises:
        PromptError: the region is empty.
    """
    return _deepest(_depth(_some(region)))


def sample_click(region: Bool[np.ndarray, "h w"], generator: np.random.Generator) -> tuple[int, int]:
    """(x, y) of a pixel drawn from a region, all alike.

    Raises:
        PromptError: the region is empty.
    """
    inside = np.flatnonzero(_some(region))
    y, x = divmod(int(generator.choice(inside)), region.shape[1])
    return x, y


def next_click(prediction: Bool[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"]) -> Click | None:
    """The click that corrects the largest error, at its center; None where the prediction is perfect.

    Errors are what is missing (positive click) and what is too much (negative click). The largest error is the one
    that reaches deepest, as in SAM 2's evaluation; of two that reach equally deep the positive click comes first.
    """
    missing, surplus = _depth(truth & ~prediction), _depth(prediction & ~truth)
    positive = bool(missing.max(initial=0) >= surplus.max(initial=0))
    depth = missing if positive else surplus
    return Click(*_deepest(depth), positive) if depth.any() else None


def _some(region: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    if not region.any():
        raise PromptError("expected a region with at least one pixel to click on, got an empty one")
    return region


def _depth(region: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, "h w"]:
    depth: Float64[np.ndarray, "..."] = ndimage.distance_transform_edt(np.pad(region, 1))
    return depth[1:-1, 1:-1]


def _deepest(depth: Float64[np.ndarray, "h w"]) -> tuple[int, int]:
    y, x = divmod(int(depth.argmax()), depth.shape[1])
    return x, y
