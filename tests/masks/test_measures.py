"""Measures of regions, against disks and boxes whose measures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from masklet.masks.measures import mean_values, measure, perimeter


def disk(radius: float, size: int = 120, squeeze: float = 1.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.asarray(np.hypot(x - 59.3, (y - 60.2) * squeeze) < radius)


@pytest.mark.parametrize("radius", [5, 10, 20, 50])
def test_a_disk_is_round(radius: float) -> None:
    found = measure(disk(radius))

    assert found is not None
    assert found.area == pytest.approx(math.pi * radius**2, rel=0.03)
    assert found.perimeter == pytest.approx(2 * math.pi * radius, rel=0.01)
    assert found.circularity == pytest.approx(1, abs=0.02)
    assert found.centroid == pytest.approx((59.3, 60.2), abs=0.2)


def test_a_long_box_is_not() -> None:
    mask = np.zeros((60, 120), bool)
    mask[10:20, 10:110] = True
    found = measure(mask)

    assert found is not None
    assert (found.area, found.box, found.centroid) == (1000, (10, 10, 110, 20), (59.5, 14.5))
    assert found.perimeter == pytest.approx(220, rel=0.07)  # Crofton's formula rounds corners off
    assert found.circularity < 0.3


def test_one_pixel_has_its_own_place() -> None:
    mask = np.zeros((9, 9), bool)
    mask[4, 3] = True
    found = measure(mask)

    assert found is not None
    assert (found.area, found.centroid, found.box) == (1, (3, 4), (3, 4, 4, 5))
    assert measure(np.zeros((9, 9), bool)) is None


def test_pixels_that_are_not_square() -> None:
    found = measure(disk(20, squeeze=2.0), (1.0, 0.5))

    assert found is not None
    assert found.area == pytest.approx(math.pi * 10**2, rel=0.03)
    assert found.perimeter == pytest.approx(2 * math.pi * 10, rel=0.03)
    assert found.centroid == pytest.approx((29.65, 60.2), abs=0.2)


def test_holes_have_an_outline_too() -> None:
    ring = disk(30) & ~disk(10)

    assert perimeter(ring) == pytest.approx(2 * math.pi * 40, rel=0.02)


def test_means_leave_out_pixels_without_a_value() -> None:
    values = np.array([[[1.0, 5.0], [3.0, np.nan]], [[9.0, np.nan], [9.0, 9.0]]])
    mask = np.array([[True, True], [False, False]])

    assert mean_values(values, mask).tolist() == [2.0, 5.0]
    assert np.isnan(mean_values(values, np.zeros((2, 2), bool))).all()
