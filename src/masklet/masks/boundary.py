"""Boundaries of masks, and the boundary F-measure of DAVIS."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from masklet.errors import FormatError

TOLERANCE = 0.008
"""Default distance within which boundaries match, as a fraction of the image diagonal (DAVIS)."""

Window = tuple[slice, slice]
"""Rows and columns of a part of an image."""


def boundary(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Compute the one-pixel wide boundary of a mask.

    A pixel is on the boundary if it and its neighbors to the right, below, and below right are neither all inside nor
    all outside, so the line is shifted by half a pixel to the top left. The image is continued beyond its border, so a
    mask that fills the image has no boundary (DAVIS 2017, after Martin's Berkeley benchmark).
    """
    height, width = mask.shape
    extended = np.empty((height + 1, width + 1), bool)
    extended[:-1, :-1] = mask
    extended[:-1, -1] = mask[:, -1]
    extended[-1] = extended[-2]
    horizontal = extended[:, :-1] ^ extended[:, 1:]
    vertical = extended[:-1, :-1] ^ extended[1:, :-1]
    return np.asarray(horizontal[:-1] | horizontal[1:] | vertical)


def boundary_radius(size: tuple[int, int], tolerance: float = TOLERANCE) -> float:
    """Convert a tolerance to pixels for an image of ``size`` (height, width).

    A ``tolerance`` below 1 is a fraction of the diagonal, rounded up to whole pixels; otherwise it is in pixels.
    """
    return float(tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*size)))


def boundary_f(prediction: Bool[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"], radius: float) -> float:
    """Compute the boundary F-measure (Perazzi et al. 2016, section 4): harmonic mean of precision and recall, 0 to 1.

    Precision is the fraction of the prediction's boundary pixels within ``radius`` pixels of the truth's boundary (see
    `boundary_radius`), recall the converse. F is 1 if neither mask has a boundary, 0 if only one has. Only the common
    bounding window is processed, which does not change the result.
    """
    window = bounding_window(prediction | truth, margin=1)
    found, wanted = boundary(prediction[window]), boundary(truth[window])
    num_found, num_wanted = int(np.count_nonzero(found)), int(np.count_nonzero(wanted))
    if not num_found or not num_wanted:
        return float(num_found == num_wanted)
    stride = found.shape[1] + math.ceil(radius)
    found_bits, wanted_bits = _bits(found, stride), _bits(wanted, stride)
    precision = (found_bits & _dilate(wanted_bits, stride, radius)).bit_count() / num_found
    recall = (wanted_bits & _dilate(found_bits, stride, radius)).bit_count() / num_wanted
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def bounding_window(mask: Bool[np.ndarray, "h w"], margin: int = 0) -> Window:
    """Return the bounding window of a mask, extended by ``margin`` pixels within the image.

    The window of an empty mask is the top-left pixel.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)


def window_inside(left: int, top: int, part: tuple[int, int], size: tuple[int, int]) -> Window:
    """Return the window of a part of (height, width) ``part``; `FormatError` unless it is in the image of ``size``."""
    (height, width), (rows, columns) = part, size
    if min(left, top, height - 1, width - 1) < 0 or left + width > columns or top + height > rows:
        raise FormatError(f"expected a mask inside the image, got {width}x{height} at ({left}, {top})")
    return slice(top, top + height), slice(left, left + width)


# A mask as one integer: pixel (x, y) is bit y * stride + x. One shift moves all pixels, one `or` merges two masks. A
# stride that exceeds the width by the radius leaves room on the right of each row, so that horizontally shifted pixels
# never enter the next row.


def _bits(mask: Bool[np.ndarray, "h w"], stride: int) -> int:
    rows = np.zeros((mask.shape[0], stride), bool)
    rows[:, : mask.shape[1]] = mask
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")


def _dilate(bits: int, stride: int, radius: float) -> int:
    """Dilate by a disk."""
    smeared, length = bits, 1  # each pixel and the length - 1 to its right
    origin = math.ceil(radius) * (stride + 1)  # keeps shifts positive where the disk reaches up and left
    near = 0
    for run in _disk(radius):  # from the shortest to the longest
        while length < run.length:
            step = min(length, run.length - length)
            smeared, length = smeared | smeared << step, length + step
        near |= smeared << (origin + run.y * stride + run.x)
    return near >> origin


class _Run(NamedTuple):
    """Part of a disk: ``length`` pixels to the right from (x, y), relative to its center."""

    length: int
    x: int
    y: int


@lru_cache(maxsize=256)
def _disk(radius: float) -> tuple[_Run, ...]:
    """Return the rows of a disk, the shortest first.

    For a fractional radius, the public evaluators align the grid with the edge of the disk instead of its center. This
    function does the same: distances are then measured from a point below and to the right of the pixel.
    """
    reach = math.ceil(radius)
    grid = np.arange(-reach, reach + 1) - (reach - radius)
    inside = grid[:, None] ** 2 + grid**2 <= radius**2
    inside[reach, reach] = True  # for some radii below 1.2 that point is farther away than the radius
    return tuple(
        sorted(_Run(int(row.sum()), int(row.argmax()) - reach, y - reach) for y, row in enumerate(inside) if row.any())
    )
