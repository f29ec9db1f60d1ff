"""Masks on the ground: area by equal-area projection, outlines in map coordinates, dates from file names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from masklet.errors import needs
from masklet.io.calibration import GeoReference
from masklet.io.geo import date_in
from masklet.masks.polygons import polygons_of_mask

EQUAL_AREA = "EPSG:6933"
"""A cylindrical projection of the whole earth in which areas are true, in meters."""

LONGITUDE_LATITUDE = "OGC:CRS84"
"""What GeoJSON is in (RFC 7946)."""


def date_of(name: str) -> str | None:
    """The first date in a file's name as 2024-05-31, or None."""
    date = date_in(name)
    return None if date is None else date.isoformat()


def ground_area(mask: Bool[np.ndarray, "h w"], place: GeoReference) -> float:
    """Area of a mask in square meters, whatever the projection of its map.

    Raises:
        MissingExtraError: rasterio is not installed.
    """
    return float(sum(area_of(outline) for outline in outlines(mask, place, EQUAL_AREA)))


def outlines(
    mask: Bool[np.ndarray, "h w"], place: GeoReference, crs: str | None = None
) -> list[list[Float64[np.ndarray, "n 2"]]]:
    """The regions of a mask in map coordinates: for each its outer ring and then its holes, closed.

    Outer rings run against the clock where y grows upward, holes with it, as GeoJSON wants them.

    Args:
        mask: the regions.
        place: where the picture lies.
        crs: the reference system to give them in, instead of the picture's own.

    Raises:
        MissingExtraError: rasterio is not installed.
    """
    a, b, c, d, e, f = place.transform
    regions = []
    for polygon in polygons_of_mask(mask):
        rings = []
        for number, ring in enumerate(polygon.rings):
            x, y = ring[:, 0], ring[:, 1]
            corners = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)
            if crs is not None:
                corners = _moved(corners, place.crs, crs)
            if (_turn(corners) > 0) == bool(number):
                corners = corners[::-1]
            rings.append(np.concatenate([corners, corners[:1]]))
        regions.append(rings)
    return regions


def area_of(rings: list[Float64[np.ndarray, "n 2"]]) -> float:
    """Area of a region in the unit of its coordinates squared."""
    return sum(_turn(ring[:-1]) for ring in rings)


def _turn(ring: Float64[np.ndarray, "n 2"]) -> float:
    """Area inside a ring, positive where it runs against the clock."""
    x, y = (ring - ring[0]).T  # near zero, where floats are fine
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def _moved(corners: Float64[np.ndarray, "n 2"], old: str, new: str) -> Float64[np.ndarray, "n 2"]:
    with needs("geo", "a place on the map"):
        from rasterio.warp import transform  # noqa: PLC0415
    x, y = transform(_crs(old), _crs(new), corners[:, 0].tolist(), corners[:, 1].tolist())[:2]
    return np.array([x, y]).T


@lru_cache(maxsize=64)
def _crs(text: str) -> Any:
    from rasterio.crs import CRS  # noqa: PLC0415

    return CRS.from_user_input(text)
