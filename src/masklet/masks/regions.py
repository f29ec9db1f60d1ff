"""Connected regions of one mask: label them, keep the largest, drop specks, fill holes.

Pixels that touch at a side or a corner are connected, inside the mask and outside alike, as in the public SAM 2 code.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int32, Int64
from scipy import ndimage

_TOUCH = np.ones((3, 3), dtype=bool)


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[Int32[np.ndarray, "h w"], Int64[np.ndarray, " k"]]:
    """Number the regions of a mask.

    Returns:
        labels (0 outside, 1 to k in the order a reader meets the regions), and the area of regions 1 to k in pixels.
    """
    labels: Int32[np.ndarray, "h w"] = np.empty(mask.shape, np.int32)
    ndimage.label(mask, structure=_TOUCH, output=labels)
    return labels, np.bincount(labels.ravel())[1:].astype(np.int64)


def largest_component(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The largest region alone, the first of equals; an empty mask stays empty."""
    labels, area = components(mask)
    return labels == 1 + int(area.argmax()) if len(area) else mask.copy()


def remove_specks(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    """Drop every region of at most ``max_area`` pixels, be it the only one; 0 changes nothing."""
    return np.asarray(mask & ~_small(mask, max_area))


def fill_holes(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    """Fill every gap of at most ``max_area`` pixels; 0 changes nothing.

    A gap is a region outside the mask, also one that the mask closes off against the border of the picture. An empty
    mask has no gaps.
    """
    return np.asarray(mask | _small(~mask, max_area)) if mask.any() else mask.copy()


def _small(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    if max_area <= 0:
        return np.zeros_like(mask)
    labels, area = components(mask)
    small = np.concatenate([[False], area <= max_area])
    return np.asarray(small[labels])
