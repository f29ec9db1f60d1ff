"""COCO annotation files: run lengths, polygons, and what must be refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as pycoco
from pycocotools.coco import COCO

from masklet.errors import FormatError
from masklet.io import Provenance, open_writer, read_result
from masklet.io.formats.coco import read_coco, read_images, read_videos, read_youtube_vis, segmentation
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
        (7, "got 7"),
        ([1, 2, 3], r"\[1, 2, 3\]"),
        ([[0, 0, 1, 1]], "got 4 numbers"),
        ([[0, 0, 1, 1, 2]], "got 5 numbers"),
        ([[0, 0, 1, 1, 2, "a"]], "'a'"),
        ([[0, 0, 1, 1, 2, 1e9]], "8x6"),
        ([[0, 0, 1, 1, 2, float("nan")]], "8x6"),
        ({"size": [6, 8], "counts": [1]}, "48 pixels"),
        ({"size": [8, 6], "counts": [48]}, "8x6 .* 6x8"),
    ],
)
def test_refused_segmentations(value: object, told: str) -> None:
    with pytest.raises(FormatError, match=told):
        segmentation(packed(value), SIZE)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "nothing for 'images'"),
        ({"images": [IMAGE, IMAGE], "annotations": []}, "image 1"),
        ({"images": [{**IMAGE, "height": 0}], "annotations": []}, "0 and 8"),
        ({"images": [{**IMAGE, "width": 2**20, "height": 2**20}], "annotations": []}, "1048576"),
        ({"images": [IMAGE], "annotations": [{"image_id": 2, "segmentation": []}]}, "nothing for 2"),
        ({"images": [IMAGE], "annotations": [{"image_id": 1}]}, "nothing for 'segmentation'"),
        ({"images": 5, "annotations": []}, "'int'"),
        ({"images": ["a"], "annotations": []}, "'str'"),
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
        ({"videos": [{**VIDEO, "file_names": 3}], "annotations": []}, "'int'"),
    ],
)
def test_refused_video_files(document: dict[str, Any], told: str) -> None:
    with pytest.raises(FormatError, match=told):
        read_videos(document, "a.json")


NAMED = Provenance(names={1: "Köter", 2: "cat", 3: "cat"})


def _write(path: Path, form: str, masks_at: Any) -> list[Any]:
    frames = [masks_at(index, ids=(1, 2, 3)) for index in range(4)]
    frames[2].masks[1] = False
    with open_writer(path, format=form, provenance=NAMED) as writer:
        for masks in frames:
            writer.write(None, masks)
    return frames


@pytest.mark.parametrize("form", ["coco", "coco-polygons"])
def test_pycocotools_reads_the_same_masks(
    masks_at: Any, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = _write(tmp_path / "o.json", form, masks_at)
    theirs = COCO(str(tmp_path / "o.json"))

    assert [category["name"] for category in theirs.loadCats(theirs.getCatIds())] == ["Köter", "cat"]
    assert len(theirs.getImgIds()) == 4
    for masks in frames:
        found = theirs.loadAnns(theirs.getAnnIds(imgIds=[masks.frame_index + 1]))
        assert [entry["track_id"] for entry in found] == [i for i in masks.object_ids if masks[i].any()]
        for entry in found:
            mask = masks[entry["track_id"]]
            np.testing.assert_array_equal(theirs.annToMask(entry).astype(bool), mask)
            assert entry["area"] == mask.sum()
            x, y, width, height = entry["bbox"]
            assert mask[int(y) : int(y + height), int(x) : int(x + width)].sum() == mask.sum()
    capsys.readouterr()  # pycocotools prints


def test_a_youtube_vis_file_has_one_entry_for_each_frame(masks_at: Any, tmp_path: Path) -> None:
    _write(tmp_path / "o.json", "youtube-vis", masks_at)
    document = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    second = document["annotations"][1]

    assert document["videos"][0]["length"] == 4
    assert document["videos"][0]["file_names"][3] == "00003.jpg"
    assert [part is None for part in second["segmentations"]] == [False, False, True, False]
    assert [part is None for part in second["bboxes"]] == [False, False, True, False]
    assert {entry["category_id"] for entry in document["annotations"]} == {1, 2}


def test_plain_coco_pictures_are_frames_and_annotations_objects(tmp_path: Path) -> None:
    square = [[1, 1, 4, 1, 4, 3, 1, 3]]
    document = {
        "images": [{"id": 7, "file_name": "x/a.jpg", "height": 6, "width": 8}],
        "categories": [{"id": 3, "name": "dog"}],
        "annotations": [{"id": 5, "image_id": 7, "category_id": 3, "segmentation": square, "iscrowd": 0}],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    result = read_result(tmp_path / "a.json")

    assert result.frame_names == ("x/a.jpg",)
    assert result.masklets[5].name == "dog"
    assert result.frame(0)[5].sum() == 6


IMAGE = {"id": 1, "file_name": "a.jpg", "height": 6, "width": 8}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, "nothing for 'images'"),
        ({"images": [{**IMAGE, "frame_id": -1}], "annotations": []}, "got -1"),
        ({"images": [{**IMAGE, "frame_id": 2**40}], "annotations": []}, "got 1099511627776"),
        ({"images": [IMAGE, {**IMAGE, "id": 2, "frame_id": 0}], "annotations": []}, "frame 0 twice"),
        ({"images": [{**IMAGE, "height": "6"}], "annotations": []}, "'6' and 8"),
        ({"images": [IMAGE], "annotations": [{"id": 0, "image_id": 1, "segmentation": []}]}, "got 0"),
        ({"images": [IMAGE], "annotations": [{"id": 1, "image_id": 9, "segmentation": []}]}, "nothing for 9"),
        ({"images": [IMAGE], "annotations": [], "tracks": [{"id": -1}]}, "got -1"),
    ],
)
def test_refused_coco_files(tmp_path: Path, document: dict[str, Any], told: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match=told):
        read_coco(tmp_path / "a.json")


def test_several_videos_are_refused(tmp_path: Path) -> None:
    video = {"id": 1, "file_names": ["a/0.jpg"], "height": 6, "width": 8}
    document = {"videos": [video, {**video, "id": 2}], "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(FormatError, match="2"):
        read_youtube_vis(tmp_path / "a.json")
