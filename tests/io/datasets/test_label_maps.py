"""One video with label maps: what is written comes back, what is odd is one error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from masklet.errors import FormatError, FrameRangeError, MediaError
from masklet.io import write_image, write_label_map
from masklet.io.datasets.label_maps import LabelMapSequence, ObjectFolderSequence

LABELS = arrays.arrays(np.uint16, (5, 7), elements=st.integers(0, 65535)) | arrays.arrays(
    np.uint8, (5, 7), elements=st.integers(0, 255)
)


@given(labels=LABELS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_written_label_maps_come_back(labels: np.ndarray, tmp_path: Path) -> None:
    for folder in ("p", "l"):
        (tmp_path / folder).mkdir(exist_ok=True)
    write_image(tmp_path / "p" / "0.png", np.zeros((5, 7, 3), np.uint8))
    write_label_map(tmp_path / "l" / "0.png", labels)
    truth = LabelMapSequence(name="s", images=tmp_path / "p", labels=tmp_path / "l").truth(0)
    assert truth.object_ids == tuple(sorted(set(labels.ravel().tolist()) - {0}))
    back = sum((np.int64(i) * mask for i, mask in zip(truth.object_ids, truth.masks, strict=True)), np.zeros((5, 7)))
    np.testing.assert_array_equal(back, labels)


def sequence(mini: Any, kind: type[LabelMapSequence] = LabelMapSequence, **options: Any) -> LabelMapSequence:
    return kind(name="s", images=mini.root / "p", labels=mini.root / "l", **options)


def test_numbers_join_pictures_and_maps(mini: Any) -> None:
    mini.pictures("p/rgb_{}.jpg", [7, 8, 9, 10])
    mini.labels("l/gt_cam1_{:03d}.png", [9, 10, 11])
    found = sequence(mini)
    assert (found.annotated, found.num_frames) == ((2, 3), 4)
    np.testing.assert_array_equal(found.truth(3)[1], mini.seen_masks(10)[0])
    assert [str(problem) for problem in found.problems()] == ["s: missing image: frame 11 has a mask and no image"]
    with pytest.raises(FrameRangeError, match=r"0.* s"):
        found.truth(0)


def test_two_pictures_of_one_number(mini: Any) -> None:
    mini.pictures("p/{}.jpg", [1])
    mini.pictures("p/a{:03d}.jpg", [1])
    mini.labels("l/{}.png", [1])
    with pytest.raises(FormatError, match=r"1\.jpg.*a001\.jpg"):
        _ = sequence(mini).annotated


def test_objects_may_overlap_and_may_be_left_out(mini: Any) -> None:
    mini.pictures("p/{:05d}.jpg")
    mini.object_folders("l/{:03d}/{:05d}.png", [0, 4, 8])
    (mini.root / "l/001/00004.png").unlink()
    found = sequence(mini, ObjectFolderSequence)
    assert found.annotated == (0, 4, 8)
    whole, part = found.truth(8), found.truth(4)
    np.testing.assert_array_equal(whole.masks, mini.scene_masks(8))
    assert (part.object_ids, part.unknown) == ((1,), frozenset({2}))
    assert not part[2].any()
    assert found.objects == {1: 0, 2: 8}


def test_folders_that_are_no_numbers(mini: Any) -> None:
    mini.pictures("p/{:05d}.jpg", [3])
    for name in ("dog", "cat"):
        mini.binary(f"l/{name}/{{:05d}}.png", [3])
    assert sequence(mini, ObjectFolderSequence).original_ids == {1: "cat", 2: "dog"}


def test_colors_keep_their_ids_over_time(mini: Any) -> None:
    mini.pictures("p/{:05d}.jpg")
    mini.colors("l/{:05d}.png")
    found = sequence(mini, coding="colors")
    np.testing.assert_array_equal(found.truth(8).masks, mini.seen_masks(8))
    assert found.truth(0).object_ids == (1,)


def test_wrong_sizes_and_kinds(mini: Any) -> None:
    mini.pictures("p/{:05d}.jpg", [0, 1])
    mini.colors("l/{:05d}.png", [0])
    write_label_map(mini.root / "l/00001.png", np.ones((5, 6), np.uint8))
    found = sequence(mini)
    with pytest.raises(FormatError, match="RGB"):
        found.truth(0)
    with pytest.raises(FormatError, match=r"32x24 .* 6x5"):
        found.truth(1)
    with pytest.raises(MediaError, match="none"):
        _ = LabelMapSequence(name="s", images=mini.root / "none", labels=mini.root / "l").annotated
