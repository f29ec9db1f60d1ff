"""Labels, specks and holes on masks one can read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.masks.regions import components, fill_holes, largest_component, remove_specks

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8))
AREAS = st.integers(0, 12)


def drawn(*rows: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


RING_AND_SPECK = drawn(
    "#####..#",
    "#...#...",
    "#.#.#..#",
    "#...#.#.",
    "#####...",
)


def test_components_touch_at_corners() -> None:
    labels, area = components(RING_AND_SPECK)
    assert area.tolist() == [16, 1, 1, 2]
    assert labels[0, 0] == 1
    assert labels[0, 7] == 2
    assert labels[2, 2] == 3
    assert labels[2, 7] == labels[3, 6] == 4


@given(MASKS)
def test_components_part_the_mask(mask: np.ndarray) -> None:
    labels, area = components(mask)
    np.testing.assert_array_equal(labels > 0, mask)
    assert area.sum() == mask.sum()
    first_seen = [int(np.argmax(labels.ravel() == label)) for label in range(1, len(area) + 1)]
    assert first_seen == sorted(first_seen)
    biggest = largest_component(mask)
    assert biggest.sum() == area.max(initial=0)
    assert not (biggest & ~mask).any()


@pytest.mark.parametrize(("max_area", "left"), [(0, 20), (1, 18), (2, 16), (15, 16), (16, 0)])
def test_remove_specks(max_area: int, left: int) -> None:
    assert remove_specks(RING_AND_SPECK, max_area).sum() == left


@pytest.mark.parametrize(
    ("mask", "max_area", "filled"),
    [
        (drawn("###", "#.#", "###"), 0, drawn("###", "#.#", "###")),
        (drawn("###", "#.#", "###"), 1, drawn("###", "###", "###")),
        (drawn("####", "#..#", "####"), 1, drawn("####", "#..#", "####")),
        (drawn(".#....", "#.....", "......"), 1, drawn(".#....", "#.....", "......")),
        (drawn(".#....", "##....", "......"), 1, drawn("##....", "##....", "......")),
        (drawn("#....#", "##..##", "######"), 6, drawn("######", "######", "######")),
        (drawn("...", "..."), 6, drawn("...", "...")),
    ],
    ids=["off", "hole", "too large", "open at a corner", "picture corner", "picture border", "empty mask"],
)
def test_fill_holes(mask: np.ndarray, max_area: int, filled: np.ndarray) -> None:
    np.testing.assert_array_equal(fill_holes(mask, max_area), filled)


@given(MASKS, AREAS)
def test_cleaning_twice_is_cleaning_once(mask: np.ndarray, max_area: int) -> None:
    before = mask.copy()
    smooth, solid = remove_specks(mask, max_area), fill_holes(mask, max_area)
    np.testing.assert_array_equal(mask, before)
    assert not (smooth & ~mask).any()
    assert not (mask & ~solid).any()
    np.testing.assert_array_equal(remove_specks(smooth, max_area), smooth)
    np.testing.assert_array_equal(fill_holes(solid, max_area), solid)
    assert (components(smooth)[1] > max_area).all()
