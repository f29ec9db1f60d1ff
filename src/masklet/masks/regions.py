"""Connected components of a mask: label them, keep the largest, remove specks, fill holes.

Components are 8-connected, both inside and outside the mask, as in the public SAM 2 code.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int32, Int64
from scipy import ndimage

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


def components(mask: Bool[np.ndarray, "h w"]) -> tuple[Int32[np.ndarray, "h w"], Int64[np.ndarray, " k"]]:
    """Label the connected components of a mask.

    Returns:
        labels (0 outside, 1 to k in reading order of the components), and the areas of components 1 to k in pixels.
    """
    labels: Int32[np.ndarray, "h w"] = np.empty(mask.shape, np.int32)
    ndimage.label(mask, structure=_EIGHT_CONNECTED, output=labels)
    return labels, np.bincount(labels.ravel())[1:].astype(np.int64)


def largest_component(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return only the largest component (the first of equal ones); an empty mask stays empty."""
    labels, area = components(mask)
    return labels == 1 + int(area.argmax()) if len(area) else mask.copy()


def remove_specks(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    """Remove every component of at most ``max_area`` pixels, even the only one; 0 changes nothing."""
    return np.asarray(mask & ~_small(mask, max_area))


def fill_holes(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    """Fill every hole of at most ``max_area`` pixels; 0 changes nothing.

    A hole is a component of the background, including one between the mask and the image border. An empty mask has no
    holes.
    """
    return np.asarray(mask | _small(~mask, max_area)) if mask.any() else mask.copy()


def _small(mask: Bool[np.ndarray, "h w"], max_area: int) -> Bool[np.ndarray, "h w"]:
    if max_area <= 0:
        return np.zeros_like(mask)
    labels, area = components(mask)
    small = np.concatenate([[False], area <= max_area])
    return np.asarray(small[labels])
