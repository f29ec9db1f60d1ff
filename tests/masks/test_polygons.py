"""Polygons: exact along the edges of pixels, close within a tolerance, filled as others fill them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as pycoco
from scipy import ndimage

from masklet.errors import FormatError
from masklet.masks import polygons as module
from masklet.masks.polygons import Polygon, fill_polygons, joined, polygons_of_mask, simplified

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(lambda size: arrays.arrays(np.bool_, size))

RING = np.array(
    [
        [1, 1, 1, 1, 1],
        [1, 0, 0, 0, 1],
        [1, 0, 1, 0, 1],
        [1, 0, 0, 0, 1],
        [1, 1, 1, 1, 1],
    ],
    bool,
)


@given(mask=masks)
def test_a_mask_comes_back_and_every_region_is_a_polygon(mask: np.ndarray) -> None:
    found = polygons_of_mask(mask)

    assert len(found) == ndimage.label(mask)[1]
    np.testing.assert_array_equal(fill_polygons(found, mask.shape), mask)


@given(mask=masks)
def test_one_ring_is_enough(mask: np.ndarray) -> None:
    ring = joined(polygons_of_mask(mask))

    np.testing.assert_array_equal(fill_polygons([Polygon(ring)] if len(ring) else [], mask.shape), mask)


@given(mask=masks.filter(np.any))
def test_pycocotools_fills_them_to_the_same_mask(mask: np.ndarray) -> None:
    rings = [joined([polygon]).ravel().tolist() for polygon in polygons_of_mask(mask)]
    theirs = pycoco.decode(pycoco.merge(pycoco.frPyObjects(rings, *mask.shape)))

    np.testing.assert_array_equal(theirs.astype(bool), mask)


def test_holes_and_islands() -> None:
    frame, island = polygons_of_mask(RING)

    assert frame.outer.tolist() == [[0, 0], [5, 0], [5, 5], [0, 5]]
    assert [sorted(hole.tolist()) for hole in frame.holes] == [[[1, 1], [1, 4], [4, 1], [4, 4]]]
    assert sorted(island.outer.tolist()) == [[2, 2], [2, 3], [3, 2], [3, 3]]
    assert polygons_of_mask(np.zeros((3, 4), bool)) == []


@pytest.mark.parametrize(("tolerance", "least", "most_corners"), [(0.5, 0.99, 1.0), (1.0, 0.97, 0.3), (2.0, 0.93, 0.2)])
def test_a_tolerance_saves_corners_and_keeps_the_shape(tolerance: float, least: float, most_corners: float) -> None:
    noise = np.random.default_rng(0).standard_normal((150, 200))
    mask = ndimage.gaussian_filter(noise, 8) > 0.005
    exact, few = polygons_of_mask(mask), polygons_of_mask(mask, tolerance=tolerance)
    filled = fill_polygons(few, mask.shape)
    counts = [sum(len(ring) for polygon in found for ring in polygon.rings) for found in (few, exact)]

    assert (filled & mask).sum() / (filled | mask).sum() >= least
    assert counts[0] <= most_corners * counts[1]
    assert len(few) == len(exact)


def test_a_region_that_would_vanish_keeps_its_corners() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])

    np.testing.assert_array_equal(simplified(square, 5.0), square)


def test_what_lies_outside_the_picture_is_cut() -> None:
    wide = Polygon(np.array([[-5.0, -5], [2, -5], [2, 9], [-5, 9]]))

    assert fill_polygons([wide], (3, 4)).tolist() == [[True, True, False, False]] * 3
    assert not fill_polygons([Polygon(wide.outer + 40)], (3, 4)).any()


def test_polygons_beyond_reason_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CROSSINGS", 10)
    with pytest.raises(FormatError, match=r"10.*40"):
        fill_polygons([Polygon(np.array([[0.0, 0], [5, 0], [5, 20], [0, 20]]))], (30, 30))
