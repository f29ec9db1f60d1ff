"""YOLO labels: what trainers read, and how close polygons stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from masklet.errors import FormatError, OutputError
from masklet.io import OutputOptions, Provenance, Result, open_writer
from masklet.io.formats.yolo import read_yolo
from masklet.types import FrameMasks


def blob(seed: int) -> FrameMasks:
    noise = np.random.default_rng(seed).standard_normal((120, 160))
    score = np.ones(1, np.float32)
    return FrameMasks(0, (4,), (ndimage.gaussian_filter(noise, 9) > 0)[None], presence=score, iou=score)


def test_lines_are_classes_and_shares_of_the_picture(masks_at: Any, tmp_path: Path) -> None:
    told = Provenance(names={1: "dog", 2: "犬", 3: "dog"})
    with open_writer(tmp_path / "o.yolo/", provenance=told) as writer:
        writer.write(None, masks_at(0, ids=(1, 2, 3)))
        writer.write(None, masks_at(1, ids=()))
    first = (tmp_path / "o.yolo" / "labels" / "00000.txt").read_text().splitlines()

    assert [line.split()[0] for line in first] == ["0", "1", "0"]
    corners = np.array(first[0].split()[1:], float).reshape(-1, 2) * (128, 96)
    assert sorted(corners.round(3).tolist()) == [[5, 5], [5, 25], [35, 5], [35, 25]]
    assert (tmp_path / "o.yolo" / "labels" / "00001.txt").read_text() == ""
    assert '1: "\\u72ac"' in (tmp_path / "o.yolo" / "data.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("tolerance", "least"), [(0.0, 1.0), (0.5, 0.99), (1.0, 0.97), (2.0, 0.93)])
def test_polygons_are_exact_or_as_close_as_asked(tmp_path: Path, tolerance: float, least: float) -> None:
    masks = blob(0)
    with open_writer(tmp_path / "o.yolo/", options=OutputOptions(tolerance=tolerance)) as writer:
        writer.write(None, masks)
    back = read_yolo(tmp_path / "o.yolo").frame(0)[4]

    assert (back & masks[4]).sum() / (back | masks[4]).sum() >= least


@pytest.mark.parametrize(
    ("change", "line", "told"),
    [
        ({"schema": "other"}, "", "expected schema"),
        ({"size": [0, 5]}, "", "expected a size"),
        ({"num_frames": 2**40}, "", "at most"),
        ({"frames": [{"frame": 0, "file": "../00000", "objects": [1]}]}, "", "name of a label file"),
        ({}, "0 0.1 0.1 0.9 0.9", r"expected polygons, got a box.*can be prompts"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5", "at least 3 corners"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5 nan", "at least 3 corners"),
        ({}, "0 0.1 0.1 0.9 0.9 0.5 50", "at least 3 corners"),
        ({}, "0 a b c d e f", "a class and numbers"),
        ({}, "", "got something else"),
    ],
)
def test_refused_folders(masks_at: Any, tmp_path: Path, change: dict[str, Any], line: str, told: str) -> None:
    with open_writer(tmp_path / "o.yolo/") as writer:
        writer.write(None, masks_at(0, ids=(1,)))
    note = tmp_path / "o.yolo" / "masklet.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    (tmp_path / "o.yolo" / "labels" / "00000.txt").write_text(line)
    with pytest.raises(FormatError, match=told):
        read_yolo(tmp_path / "o.yolo")


def test_two_frames_of_one_name_are_refused(masks_at: Any, tmp_path: Path) -> None:
    named = Result(masklets={}, size=None, num_frames=2, pictures=("a.png", "a.jpg"))
    writer = open_writer(tmp_path / "o.yolo/", like=named)
    writer.write(None, masks_at(0))
    with pytest.raises(OutputError, match=r"two frames would be called labels/a\.txt"):
        writer.write(None, masks_at(1))
