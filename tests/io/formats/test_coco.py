"""COCO annotation files: run lengths, polygons, and what must be refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as pycoco

from masklet.errors import FormatError
from masklet.io.formats.coco import read_images, read_videos, segmentation
from masklet.masks.rle import encode_masks

SIZE = (6, 8)
IMAGE = {"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}
VIDEO = {"id": 1, "file_names": ["a/0.jpg", "a/1.jpg"], "height": 6, "width": 8}


def packed(value: object) -> bytes:
    return json.dumps(value).encode()


@given(mask=arrays.arrays(np.bool_, SIZE))
def test_run_lengths_come_back(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(segmentation(packed(encode_masks(mask[None])[0].to_coco()), SIZE).to_mask(), mask)


@given(points=st.lists(st.tuples(st.floats(0, 8), st.floats(0, 6)), min_size=3, max_size=8))
def test_polygons_are_filled_as_pycocotools_does(points: list[tuple[float, float]]) -> None:
    flat = [value for point in points for value in point]
    peer = pycoco.decode(pycoco.frPyObjects([flat], *SIZE))[..., 0]
    np.testing.assert_array_equal(segmentation(packed([flat]), SIZE).to_mask(), peer)


def test_several_polygons_are_one_mask() -> None:
    left, right = [0, 0, 2, 0, 2, 6, 0, 6], [6, 0, 8, 0, 8, 6, 6, 6]
    np.testing.assert_array_equal(segmentation(packed([left, right]), SIZE).to_mask()[2], [1, 1, 0, 0, 0, 0, 1, 1])
    assert segmentation(packed([]), SIZE).area == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (7, "run lengths or a list of polygons"),
        ([1, 2, 3], "run lengths or a list of polygons"),
        ([[0, 0, 1, 1]], "at least 3 points"),
        ([[0, 0, 1, 1, 2]], "at least 3 points"),
        ([[0, 0, 1, 1, 2, "a"]], "polygon of numbers"),
        ([[0, 0, 1, 1, 2, 1e9]], "about the picture of 8x6"),
        ([[0, 0, 1, 1, 2, float("nan")]], "about the picture of 8x6"),
        ({"size": [6, 8], "counts": [1]}, "add up"),
        ({"size": [8, 6], "counts": [48]}, "a mask of 8x6 as the picture, got 6x8"),
    ],
)
def test_refused_segmentations(value: object, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        segmentation(packed(value), SIZE)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "nothing for 'images'"),
        ({"images": [IMAGE, IMAGE], "annotations": []}, "picture 1 comes twice"),
        ({"images": [{**IMAGE, "height": 0}], "annotations": []}, "height and width in pixels"),
        ({"images": [{**IMAGE, "width": 2**20, "height": 2**20}], "annotations": []}, "height and width in pixels"),
        ({"images": [IMAGE], "annotations": [{"image_id": 2, "segmentation": []}]}, "nothing for 2"),
        ({"images": [IMAGE], "annotations": [{"image_id": 1}]}, "nothing for 'segmentation'"),
        ({"images": 5, "annotations": []}, "COCO annotation file, got something else"),
        ({"images": ["a"], "annotations": []}, "COCO annotation file, got something else"),
    ],
)
def test_refused_image_files(document: dict[str, Any], told: str) -> None:
    with pytest.raises(FormatError, match=told) as caught:
        read_images(document, "a.json")
    assert "a.json" in str(caught.value)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"videos": [VIDEO, VIDEO], "annotations": []}, "video 1 comes twice"),
        ({"videos": [VIDEO], "annotations": [{"video_id": 1, "segmentations": [None]}]}, "2 segmentations"),
        ({"videos": [VIDEO], "annotations": [{"video_id": 3, "segmentations": []}]}, "nothing for 3"),
        ({"videos": [{**VIDEO, "file_names": 3}], "annotations": []}, "got something else"),
    ],
)
def test_refused_video_files(document: dict[str, Any], told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_videos(document, "a.json")
