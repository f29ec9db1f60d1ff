"""Boundaries: the line of pixels where a mask ends, and how well the boundaries of two masks agree."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

TOLERANCE = 0.008
"""How far two boundaries may lie apart and still agree, as a share of the picture's diagonal (DAVIS)."""

Window = tuple[slice, slice]
"""Rows and columns of a part of a picture."""


def boundary(mask: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The pixels where a mask begins or ends, one pixel wide.

    A pixel is one of them where it and its neighbors to the right, below, and below to the right are neither all
    inside nor all outside, so the line lies half a pixel towards the top left. Beyond its border the picture goes on
    as it ends: a mask that fills the picture has no boundary (DAVIS 2017, after Martin's Berkeley benchmark).
    """
    height, width = mask.shape
    seen = np.empty((height + 1, width + 1), bool)
    seen[:-1, :-1] = mask
    seen[:-1, -1] = mask[:, -1]
    seen[-1] = seen[-2]
    sideways = seen[:, :-1] ^ seen[:, 1:]
    downward = seen[:-1, :-1] ^ seen[1:, :-1]
    return np.asarray(sideways[:-1] | sideways[1:] | downward)


def boundary_radius(size: tuple[int, int], tolerance: float = TOLERANCE) -> float:
    """How many pixels boundaries may lie apart in a picture of ``size`` (height, width).

    ``tolerance`` below 1 is a share of the diagonal, rounded up to whole pixels; from 1 on it is pixels already.
    """
    return float(tolerance if tolerance >= 1 else math.ceil(tolerance * math.hypot(*size)))


def boundary_f(prediction: Bool[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"], radius: float) -> float:
    """F, the boundary measure (Perazzi et al. 2016, section 4): harmonic mean of precision and recall, 0 to 1.

    Precision is the share of the prediction's boundary pixels with a pixel of the truth's boundary within ``radius``,
    recall the share of the truth's with one of the prediction's. Where neither mask has a boundary F is 1, where only
    one has it is 0. Only the window that holds both masks is looked at; the result is that of the whole picture.

    Args:
        prediction: the mask to judge.
        truth: the mask it should be.
        radius: in pixels, 0 or more (see `boundary_radius`).
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
    """The smallest window that holds the mask and ``margin`` pixels around it, as far as the picture goes.

    An empty mask has the window of the top-left pixel.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return slice(max(top - margin, 0), bottom + margin), slice(max(left - margin, 0), right + margin)


# A picture as one integer: pixel (x, y) is bit y * stride + x. One shift moves every pixel, one `or` joins two
# pictures. A stride wider than the picture by the radius leaves room on the right of each row, so that what is moved
# sideways never enters the next row.


def _bits(mask: Bool[np.ndarray, "h w"], stride: int) -> int:
    rows = np.zeros((mask.shape[0], stride), bool)
    rows[:, : mask.shape[1]] = mask
    return int.from_bytes(np.packbits(rows, bitorder="little").tobytes(), "little")


def _dilate(bits: int, stride: int, radius: float) -> int:
    """Every pixel within the radius of one that is set."""
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
    """Part of a disk: ``length`` pixels to the right of (x, y), counted from its center."""

    length: int
    x: int
    y: int


@lru_cache(maxsize=256)
def _disk(radius: float) -> tuple[_Run, ...]:
    """The rows of a disk, the shortest first.

    Where the radius is not whole, the public evaluators count the grid from the edge of the disk and not from its
    center. So do we: all distances are then measured from a point below and to the right of the pixel.
    """
    reach = math.ceil(radius)
    grid = np.arange(-reach, reach + 1) - (reach - radius)
    inside = grid[:, None] ** 2 + grid**2 <= radius**2
    inside[reach, reach] = True  # for some radii below 1.2 that point is farther away than the radius
    return tuple(
        sorted(_Run(int(row.sum()), int(row.argmax()) - reach, y - reach) for y, row in enumerate(inside) if row.any())
    )
