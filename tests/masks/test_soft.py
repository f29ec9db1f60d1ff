"""Alpha from masks: ramps, trimaps, edges that follow the picture."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.masks.soft import UNKNOWN, Edge, alpha_of, guided, softened, trimap

HALF = np.zeros((20, 30), bool)
HALF[:, 15:] = True


@pytest.mark.parametrize("edge", [Edge(), Edge(soften=2), Edge(trimap=2)])
@pytest.mark.parametrize("value", [False, True])
def test_a_mask_without_an_edge_stays(edge: Edge, value: bool) -> None:
    mask = np.full((6, 7), value)

    np.testing.assert_array_equal(alpha_of(mask, edge), mask.astype(np.float32))


def test_the_ramp_is_half_on_the_edge_and_done_at_its_width() -> None:
    row = softened(HALF, 3.0)[10]

    np.testing.assert_allclose(row + row[::-1], 1, atol=1e-6)  # the same on both sides
    assert (row[:12] == 0).all()
    assert (row[18:] == 1).all()
    assert (np.diff(row[11:19]) > 0).all()
    assert 0.5 < row[15] < 0.75


def test_a_narrow_ramp_is_the_mask() -> None:
    np.testing.assert_array_equal(softened(HALF, 0), HALF.astype(np.float32))
    np.testing.assert_array_equal(softened(HALF, 0.5), HALF.astype(np.float32))


def test_a_trimap_leaves_a_band_open() -> None:
    assert trimap(HALF, 2)[5].tolist() == [0] * 13 + [UNKNOWN] * 4 + [255] * 13


def test_work_in_the_window_is_work_on_the_whole() -> None:
    mask = np.zeros((60, 80), bool)
    mask[20:40, 30:55] = True

    np.testing.assert_allclose(alpha_of(mask, Edge(soften=4)), softened(mask, 4.0), atol=1e-6)


def test_detail_follows_the_picture() -> None:
    picture = np.full((40, 60, 3), 40, np.uint8)
    picture[:, 33:] = 220  # the true edge lies three pixels to the right of the mask's
    mask = np.zeros((40, 60), bool)
    mask[:, 30:] = True
    alpha = alpha_of(mask, Edge(detail=8), picture)
    steps = np.diff(alpha[20])

    assert steps.argmax() == 32  # from column 32 to 33, where the picture's edge is
    assert steps[29] < 0.2 * steps[32]
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_a_flat_picture_only_smooths() -> None:
    alpha = guided(HALF.astype(np.float32), np.full(HALF.shape, 0.5, np.float32), 3)

    np.testing.assert_allclose(alpha[:, :8], 0, atol=1e-6)
    np.testing.assert_allclose(alpha[:, 22:], 1, atol=1e-6)
