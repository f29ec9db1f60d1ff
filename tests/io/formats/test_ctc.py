"""Cell Tracking Challenge results: tracks without gaps, and lineages read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io import open_writer
from masklet.io.formats.ctc import read_ctc
from masklet.types import FrameMasks


def cells(index: int, *seen: int) -> FrameMasks:
    """Cells 1 and 2, each in its half; those that are not seen are empty."""
    masks = np.zeros((2, 8, 12), bool)
    for object_id in seen:
        masks[object_id - 1, 2:6, 6 * (object_id - 1) + 1 : 6 * object_id - 1] = True
    score = np.ones(2, np.float32)
    return FrameMasks(index, (1, 2), masks, presence=score, iou=score)


def test_a_cell_that_comes_back_goes_on_under_a_new_label(tmp_path: Path) -> None:
    with open_writer(tmp_path / "o.ctc/") as writer:
        for index, seen in enumerate([(1,), (1, 2), (2,), (1, 2), ()]):
            writer.write(None, cells(index, *seen))

    assert (tmp_path / "o.ctc" / "res_track.txt").read_text() == "1 0 1 0\n2 1 3 0\n65535 3 3 1\n"
    with Image.open(tmp_path / "o.ctc" / "mask003.tif") as image:
        assert np.unique(np.asarray(image)).tolist() == [0, 2, 65535]
        assert image.mode == "I;16"
    back = read_ctc(tmp_path / "o.ctc")
    assert list(back.masklets) == [1, 2]
    assert back.frame(3)[1].sum() == 16
    assert not back.frame(4)[1].any()


def test_children_of_a_division_are_objects_of_their_own(tmp_path: Path) -> None:
    for index, labels in enumerate([[[5, 5]], [[6, 7]], [[6, 9]]]):
        Image.fromarray(np.array(labels, np.uint16)).save(tmp_path / f"mask{index:03d}.tif")
    (tmp_path / "res_track.txt").write_text("5 0 0 0\n6 1 2 5\n7 1 1 5\n9 2 2 7\n")
    back = read_ctc(tmp_path)

    assert list(back.masklets) == [5, 6, 7]
    assert back.frame(2)[7].tolist() == [[False, True]]


def test_frames_must_follow_each_other(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "o.ctc/")
    writer.write(None, cells(3, 1))
    with pytest.raises(OutputError, match="frame 4"):
        writer.write(None, cells(5, 1))


@pytest.mark.parametrize(
    ("tracks", "told"),
    [
        ("1 0 0\n", "lines of 'label first last parent'"),
        ("x 0 0 0\n", "lines of"),
        ("1 0 0 0\n1 0 0 0\n", "each once"),
        ("0 0 0 0\n", "labels from 1"),
        ("2 0 0 0\n", "no track 1 on frame 0"),
        ("1 4 5 0\n", "no track 1 on frame 0"),
    ],
)
def test_tracks_that_do_not_fit(tmp_path: Path, tracks: str, told: str) -> None:
    Image.fromarray(np.ones((2, 2), np.uint16)).save(tmp_path / "mask000.tif")
    (tmp_path / "res_track.txt").write_text(tracks)
    with pytest.raises(FormatError, match=told):
        read_ctc(tmp_path)
