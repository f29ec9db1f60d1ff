"""Measures of a region: area, center, perimeter, roundness, brightness, in pixels or physical units."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from masklet.masks.boundary import bounding_window


@dataclass(frozen=True)
class Measures:
    """Measurements of a non-empty region; lengths in the unit of the pixel size.

    Attributes:
        area: number of pixels times the area of one.
        centroid: (x, y), the mean of all pixels' centers; the center of the top-left pixel is (0, 0).
        box: (x0, y0, x1, y1) along the edges of pixels; the outer corner of the top-left pixel is (0, 0).
        perimeter: length of the outline including holes, by Crofton's formula (see `perimeter`).
        circularity: 4 pi area / perimeter squared: 1 for a disk, less for other shapes, up to discretization.
    """

    area: float
    centroid: tuple[float, float]
    box: tuple[float, float, float, float]
    perimeter: float

    @property
    def circularity(self) -> float:
        return 4 * math.pi * self.area / self.perimeter**2


def measure(mask: Bool[np.ndarray, "h w"], pixel_size: tuple[float, float] = (1.0, 1.0)) -> Measures | None:
    """Measure a mask with pixels of the given (height, width); return None if it is empty."""
    if not mask.any():
        return None
    rows, columns = bounding_window(mask)
    part = mask[rows, columns]
    dy, dx = pixel_size
    count = int(np.count_nonzero(part))
    y = float(part.sum(axis=1) @ np.arange(part.shape[0])) / count + rows.start
    x = float(part.sum(axis=0) @ np.arange(part.shape[1])) / count + columns.start
    stop_x, stop_y = columns.start + part.shape[1], rows.start + part.shape[0]
    return Measures(
        area=count * dy * dx,
        centroid=(x * dx, y * dy),
        box=(columns.start * dx, rows.start * dy, stop_x * dx, stop_y * dy),
        perimeter=perimeter(part, pixel_size),
    )


def perimeter(mask: Bool[np.ndarray, "h w"], pixel_size: tuple[float, float] = (1.0, 1.0)) -> float:
    """Compute the length of a mask's outline, corrected for the pixel grid; beyond the image border is outside.

    Crofton's formula: half the integral, over all directions, of the number of crossings of parallel lines with the
    outline times their distance, approximated by rows, columns and both diagonals (Legland et al. 2007, section 2.2).
    The error for a disk of radius 10 pixels is below 1 %.
    """
    dy, dx = pixel_size
    inside = np.pad(mask, 1)
    slant = math.hypot(dx, dy)
    angle = math.atan2(dy, dx)  # of a diagonal
    rows = np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    columns = np.count_nonzero(inside[1:] != inside[:-1])
    falling = np.count_nonzero(inside[1:, 1:] != inside[:-1, :-1])
    rising = np.count_nonzero(inside[1:, :-1] != inside[:-1, 1:])
    along = rows * dy * angle + columns * dx * (math.pi / 2 - angle)
    return (along + (falling + rising) * (dx * dy / slant) * math.pi / 4) / 2


def mean_values(values: Shaped[np.ndarray, "h w c"], mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, " c"]:
    """Compute the mean of each channel inside a mask, ignoring NaN; NaN if there is no value."""
    window = bounding_window(mask)
    found = values[window][mask[window]].astype(np.float64)
    known = np.isfinite(found)
    counts = known.sum(axis=0)
    sums = np.where(known, found, 0.0).sum(axis=0)
    return np.asarray(np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0))
