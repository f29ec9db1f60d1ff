"""Frames of a video with their masks in one image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import masklet
from masklet import FrameMasks, Prompts
from masklet.cli.contact_sheet import ContactSheetWriter, evenly_spaced


@pytest.mark.parametrize(
    ("frames", "count", "expected"),
    [(range(10), 3, [0, 4, 9]), (range(5, 8), 6, [5, 6, 7]), (range(4, 5), 3, [4])],
)
def test_evenly_spaced(frames: range, count: int, expected: list[int]) -> None:
    assert evenly_spaced(frames, count) == expected


def test_contact_sheet(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    score = np.ones(1, np.float32)
    with ContactSheetWriter(
        path, frames=[0, 2, 3, 5], prompts={0: {1: Prompts.click(9, 9)}}, columns=2, width=40
    ) as sink:
        for index in range(6):
            frame = np.full((30, 60, 3), 10 * index, np.uint8)
            sink.write(frame, FrameMasks(index, (1,), np.zeros((1, 30, 60), bool), score, score))
    sheet = masklet.read_image(path)
    assert sheet.shape == (2 * 20 + 6, 2 * 40 + 6, 3)
    assert sheet[0, -1].tolist() == [20, 20, 20]
    assert sheet[-1, 0].tolist() == [30, 30, 30]
    assert sheet[22, 0].tolist() == [255, 255, 255]
    assert (sheet[:20, :40] != sheet[0, 39]).any()  # the click
