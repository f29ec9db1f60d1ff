"""Operations on run-length encoded masks equal those on arrays, and reject corrupt encodings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.errors import FormatError
from masklet.masks import boxes, overlap, rle
from masklet.types import Rle

STACKS = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))

DIAMOND = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]], bool)


@given(STACKS)
def test_masks_survive_the_round_trip(masks: np.ndarray) -> None:
    codes = rle.encode_masks(masks)
    assert codes == [Rle.from_mask(mask) for mask in masks]
    np.testing.assert_array_equal(rle.decode_masks(codes), masks)


@given(STACKS)
def test_measures_are_those_of_the_masks(masks: np.ndarray) -> None:
    codes = rle.encode_masks(masks)
    np.testing.assert_array_equal(rle.areas(codes), masks.sum(axis=(1, 2)))
    np.testing.assert_array_equal(rle.boxes(codes), boxes.boxes_of_masks(masks))
    np.testing.assert_allclose(rle.iou(codes, codes[:2]), overlap.mask_iou(masks, masks[:2]), atol=1e-6)
    np.testing.assert_array_equal(rle.union(codes).to_mask(), masks.any(axis=0))
    np.testing.assert_array_equal(rle.intersection(codes).to_mask(), masks.all(axis=0))


def test_no_masks() -> None:
    assert rle.encode_masks(np.zeros((0, 4, 5), bool)) == []
    assert rle.decode_masks([]).shape == (0, 0, 0)
    assert rle.areas([]).shape == (0,)
    assert rle.boxes([]).shape == (0, 4)
    assert rle.iou([], [Rle.from_mask(DIAMOND)]).shape == (0, 1)
    with pytest.raises(FormatError):
        rle.union([])


@given(st.binary(max_size=12), st.integers(1, 6), st.integers(1, 6))
def test_any_bytes_are_a_mask_or_an_error(counts: bytes, height: int, width: int) -> None:
    code = Rle((height, width), counts)
    try:
        mask = rle.decode_masks([code])[0]
    except FormatError:
        return
    assert mask.shape == (height, width)
    assert mask.sum() == rle.areas([code])[0]


def test_sizes_must_agree() -> None:
    codes = [Rle.from_mask(DIAMOND), Rle.from_mask(DIAMOND.T)]
    for call in (rle.decode_masks, rle.union, rle.areas):
        with pytest.raises(FormatError) as caught:
            call(codes)
        assert "4x3 and 3x4" in str(caught.value)
