"""Boundaries by hand, by brute force, and the same in any window."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.masks.boundary import boundary, boundary_f, boundary_radius, bounding_window

PAIRS = hnp.arrays(bool, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9)))
RADII = st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0, 8.0])


def region(*rows: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def brute_force(prediction: np.ndarray, truth: np.ndarray, radius: float) -> float:
    """F from all distances between all boundary pixels."""
    ours, theirs = (np.argwhere(boundary(mask)) for mask in (prediction, truth))
    if not len(ours) or not len(theirs):
        return float(len(ours) == len(theirs))
    near = ((ours[:, None] - theirs[None]) ** 2).sum(axis=2) <= radius**2
    precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
    return float(2 * precision * recall / (precision + recall)) if near.any() else 0.0


@pytest.mark.parametrize(
    ("mask", "line"),
    [
        (("....", "..#.", "...."), (".##.", ".##.", "....")),  # half a pixel to the top left
        (("####", "####", "####"), ("....", "....", "....")),  # the border of the picture is no boundary
        (("....", "....", "...."), ("....", "....", "....")),
        (("##..", "##..", "##.."), (".#..", ".#..", ".#..")),
        (("....", "####", "####"), ("####", "....", "....")),
        (("#...", "....", "...#"), ("#...", "..##", "..#.")),
        (("#",), (".",)),
    ],
)
def test_boundary_by_hand(mask: tuple[str, ...], line: tuple[str, ...]) -> None:
    np.testing.assert_array_equal(boundary(region(*mask)), region(*line))


@pytest.mark.parametrize(
    ("size", "tolerance", "radius"),
    [
        ((480, 854), 0.008, 8),
        ((300, 400), 0.008, 4),
        ((1, 1), 0.008, 1),
        ((300, 400), 0.01, 5),
        ((9, 9), 3, 3),
        ((9, 9), 1.5, 1.5),
    ],
)
def test_radius(size: tuple[int, int], tolerance: float, radius: float) -> None:
    assert boundary_radius(size, tolerance) == radius


def test_f_of_a_shifted_square_by_hand() -> None:
    truth = np.zeros((40, 40), bool)
    truth[10:20, 10:20] = True
    prediction = np.roll(truth, 2, axis=1)
    # Each boundary is a ring of 40 pixels. With a radius of 1, 10 of the top and of the bottom row agree, and of the
    # left side (or right side, seen from the truth) the two pixels next to the rows.
    assert boundary_f(prediction, truth, 1) == pytest.approx(22 / 40)
    assert boundary_f(prediction, truth, 2) == 1
    assert boundary_f(truth, truth, 0) == 1


@pytest.mark.parametrize(
    ("prediction", "truth", "f"),
    [
        ((".....", "....."), (".....", "....."), 1),
        ((".#...", "....."), (".....", "....."), 0),
        ((".....", "....."), (".#...", "....."), 0),
        (("#####", "#####"), ("#####", "#####"), 1),
        (("#####", "#####"), (".....", "....."), 1),  # neither has a boundary
        (("#....", "#...."), ("....#", "....#"), 0),
    ],
)
def test_f_where_there_is_little_to_compare(prediction: tuple[str, ...], truth: tuple[str, ...], f: float) -> None:
    assert boundary_f(region(*prediction), region(*truth), 1) == f


def test_a_broken_radius_is_measured_as_the_public_evaluators_do() -> None:
    truth, prediction = np.zeros((2, 30, 30), bool)
    truth[10:, :] = prediction[12:, :] = True  # lines 2 pixels apart, truth above
    # With 1.5 the grid of the disk is (-2, -1, 0, 1, 2) - 0.5, so pixels reach one up and two down.
    assert boundary_f(prediction, truth, 1.5) == 0
    assert boundary_f(prediction, truth, 2.0) == 1
    # With 2.5 it is (-3, ..., 3) - 0.5, so they reach two up and three down: recall 0, precision 1 at 3 apart.
    prediction[12, :] = False
    assert boundary_f(prediction, truth, 2.5) == 0


@given(PAIRS, RADII)
def test_f_equals_brute_force(pair: np.ndarray, radius: float) -> None:
    prediction, truth = pair
    assert boundary_f(prediction, truth, radius) == pytest.approx(brute_force(prediction, truth, radius), abs=1e-12)


@given(PAIRS, RADII)
def test_f_is_symmetric_bounded_and_grows_with_the_radius(pair: np.ndarray, radius: float) -> None:
    prediction, truth = pair
    f = boundary_f(prediction, truth, radius)
    assert 0 <= f <= 1
    assert f == pytest.approx(boundary_f(truth, prediction, radius), abs=1e-12)
    assert boundary_f(prediction, truth, radius + 1) >= f - 1e-12
    assert boundary_f(truth, truth, radius) == 1


@given(PAIRS, RADII, st.tuples(*[st.integers(1, 6)] * 4))
def test_f_is_the_same_in_any_window(pair: np.ndarray, radius: float, room: tuple[int, int, int, int]) -> None:
    framed = np.pad(pair, ((0, 0), (1, 1), (1, 1)))
    roomy = np.pad(pair, ((0, 0), room[:2], room[2:]))
    assert boundary_f(framed[0], framed[1], radius) == boundary_f(roomy[0], roomy[1], radius)
    whole = boundary(roomy[0])
    window = bounding_window(roomy[0], margin=1)
    np.testing.assert_array_equal(boundary(roomy[0][window]), whole[window])
    assert np.count_nonzero(whole) == np.count_nonzero(whole[window])


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.integers(0, 3))
def test_bounding_window_holds_the_mask(mask: np.ndarray, margin: int) -> None:
    rows, columns = bounding_window(mask, margin)
    assert np.count_nonzero(mask[rows, columns]) == np.count_nonzero(mask)
    if mask.any():
        top, left = np.argwhere(mask).min(axis=0)
        assert (rows.start, columns.start) == (max(top - margin, 0), max(left - margin, 0))


def test_radius_does_not_reach_around_the_picture() -> None:
    left, right = np.zeros((2, 20, 20), bool)
    left[:, :2] = right[:, 18:] = True
    assert boundary_f(left, right, 8) == 0
    assert math.isclose(boundary_f(left | right, right, 8), 2 * 0.5 / 1.5)
