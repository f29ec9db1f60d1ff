"""Run-length codes: round trips, set operations, and no corrupt code gets through."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from masklet.errors import FormatError
from masklet.masks import boxes, overlap, rle
from masklet.types import Rle

SIZES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)
STACKS = hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))

DIAMOND = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]], bool)
DIAMOND_RUNS = [1, 1, 2, 3, 2, 1, 2]  # down the columns


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


@given(hnp.arrays(bool, SIZES))
def test_runs_survive_the_round_trip(mask: np.ndarray) -> None:
    code = Rle.from_mask(mask)
    runs = rle.runs_of(code)
    assert rle.rle_of_runs(code.size, runs) == code
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    np.testing.assert_array_equal(flat, mask.ravel(order="F"))


@given(st.integers(0, rle.MAX_PIXELS), st.integers(0, 2**14), st.integers(0, 2**14))
def test_long_runs_survive_the_round_trip(first: int, second: int, third: int) -> None:
    second = min(second, rle.MAX_PIXELS - first)
    third = min(third, rle.MAX_PIXELS - first - second)
    runs = [first, second, third, rle.MAX_PIXELS - first - second - third]
    code = rle.rle_of_runs((2**14, 2**14), runs)
    assert rle.areas([code]).tolist() == [runs[1] + runs[3]]
    assert rle.runs_of(code).sum() == rle.MAX_PIXELS


SPELLINGS = [
    DIAMOND_RUNS,
    [1, 1, 2, 3, 2, 1, 2, 0],
    [1, 1, 2, 1, 0, 2, 2, 1, 2],
    [0, 0, 1, 1, 2, 3, 2, 1, 2],
    [1, 1, 2, 3, 2, 1, 1, 0, 1],
]


@pytest.mark.parametrize("runs", SPELLINGS)
def test_every_spelling_gives_the_same_code(runs: list[int]) -> None:
    code = Rle.from_mask(DIAMOND)
    compressed = coco.frPyObjects({"size": [4, 3], "counts": runs}, 4, 3)["counts"]
    assert rle.from_coco({"size": [4, 3], "counts": runs}) == code
    assert rle.from_coco({"size": [4, 3], "counts": compressed}) == code
    assert rle.from_coco({"size": [4, 3], "counts": compressed.decode()}) == code
    np.testing.assert_array_equal(rle.boxes([Rle((4, 3), compressed)]), [[0, 0, 3, 3]])


def test_runs_go_down_the_columns() -> None:
    assert rle.runs_of(Rle.from_mask(DIAMOND)).tolist() == DIAMOND_RUNS


def test_coco_form_is_json() -> None:
    code = Rle.from_mask(DIAMOND)
    assert rle.from_coco(json.loads(json.dumps(rle.to_coco(code)))) == code


def test_no_masks() -> None:
    assert rle.encode_masks(np.zeros((0, 4, 5), bool)) == []
    assert rle.decode_masks([]).shape == (0, 0, 0)
    assert rle.areas([]).shape == (0,)
    assert rle.boxes([]).shape == (0, 4)
    assert rle.iou([], [Rle.from_mask(DIAMOND)]).shape == (0, 1)
    with pytest.raises(FormatError, match="at least one mask to merge"):
        rle.union([])


CORRUPT = [
    (None, "expected a mask as an object"),
    ([4, 3], "expected a mask as an object"),
    ({}, "expected 'size' as .height, width. in pixels, got None"),
    ({"size": [4], "counts": "0"}, "expected 'size'"),
    ({"size": [4, 3.0], "counts": "0"}, "expected 'size'"),
    ({"size": "43", "counts": "0"}, "expected 'size'"),
    ({"size": [0, 3], "counts": [0]}, "expected a mask of 1 to 268435456 pixels, got 3x0"),
    ({"size": [-4, -3], "counts": [12]}, "got -3x-4"),
    ({"size": [2**20, 2**20], "counts": [2**40]}, "got 1048576x1048576"),
    ({"size": [4, 3]}, "expected 'counts' as text or a list of whole numbers, got None"),
    ({"size": [4, 3], "counts": [12.0]}, "whole numbers"),
    ({"size": [4, 3], "counts": [[12], 0]}, "whole numbers"),
    ({"size": [4, 3], "counts": [True, 11]}, "whole numbers"),
    ({"size": [4, 3], "counts": []}, "got ..$"),
    ({"size": [4, 3], "counts": [11]}, "add up to 12 pixels .3x4., got .11."),
    ({"size": [4, 3], "counts": [13, -1]}, "runs >= 0"),
    ({"size": [4, 3], "counts": [2**63, 2**63]}, "add up"),
    ({"size": [4, 3], "counts": [2**64, -(2**64), 12]}, "whole numbers"),
    ({"size": [4, 3], "counts": ""}, "characters '0' to 'o', got b''"),
    ({"size": [4, 3], "counts": "<\n"}, "characters"),
    ({"size": [4, 3], "counts": "ünï"}, "characters"),
    ({"size": [4, 3], "counts": "<z"}, "characters"),
    ({"size": [4, 3], "counts": "<P"}, "breaks off"),
    ({"size": [4, 3], "counts": "PPPPPPPP0<"}, "too long"),
    ({"size": [4, 3], "counts": "?0000"}, "runs"),
    ({"size": [4, 3], "counts": ";"}, "add up"),
    ({"size": [4, 3], "counts": "\x00" * 100_000}, "characters"),
]


@pytest.mark.parametrize(("value", "message"), CORRUPT)
def test_corrupt_code(value: object, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        rle.from_coco(value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


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
        with pytest.raises(FormatError, match="expected masks of one size, got 4x3 and 3x4"):
            call(codes)
