"""MOTS text files: lines as the challenge describes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError, OutputError
from masklet.io import Provenance, open_writer
from masklet.io.formats.mots import read_mots


def test_lines_hold_class_and_object(masks_at: Any, tmp_path: Path) -> None:
    masks = masks_at(7, ids=(5, 12, 30))
    with open_writer(tmp_path / "o.txt", provenance=Provenance(names={5: "Car", 12: "person"})) as writer:
        writer.write(None, masks)
    lines = [line.split(" ") for line in (tmp_path / "o.txt").read_text().splitlines()]
    labels = masks.label_map()

    assert [line[:5] for line in lines] == [
        ["7", "1005", "1", "96", "128"],
        ["7", "2012", "2", "96", "128"],
        ["7", "3030", "3", "96", "128"],
    ]
    back = read_mots(tmp_path / "o.txt").frame(7)
    assert back.object_ids == (5, 12, 30)
    for object_id in back.object_ids:
        np.testing.assert_array_equal(back[object_id], labels == object_id)


def test_ids_that_two_classes_share_stay_whole_and_ignored_regions_go(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 1001 1 1 4 04\n0 2001 2 1 4 121\n1 10000 10 1 4 04\n")
    result = read_mots(tmp_path / "a.txt")

    assert {i: one.name for i, one in result.masklets.items()} == {1001: "car", 2001: "pedestrian"}
    assert result.frame(0)[2001].tolist() == [[False, True, True, False]]


def test_ids_above_999_are_refused(masks_at: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="999"), open_writer(tmp_path / "o.txt") as writer:
        writer.write(None, masks_at(0, ids=(1000,)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"0 1001 1 1 4\n", "lines of"),
        (b"0 one 1 1 4 04\n", "lines of"),
        (b"-1 1001 1 1 4 04\n", "frame numbers"),
        (b"0 1001 1 1 4 05\n", "add up to 4"),
        (b"0 1001 1 9999999 9999999 04\n", "pixels"),
        (b"0 1001 1 1 4 04\n0 1001 1 1 4 04\n", "object 1 .* frame 0"),
        (b"\xff\xfe", "MOTS text file"),
    ],
)
def test_refused_files(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(FormatError, match=told):
        read_mots(tmp_path / "a.txt")
