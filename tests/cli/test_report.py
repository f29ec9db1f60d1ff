"""Counts and tables."""

from __future__ import annotations

import numpy as np

from masklet import FrameMasks
from masklet.cli.report import ObjectTally, VideoReport, document, score, table


def result(frame_index: int, *, visible: bool, presence: float, iou: float) -> FrameMasks:
    """Object 2 on a frame, with a mask or without."""
    masks = np.full((1, 2, 2), visible)
    return FrameMasks(frame_index, (2,), masks, np.array([presence], np.float32), np.array([iou], np.float32))


def test_frames_are_tallied_by_object() -> None:
    report = VideoReport("dog.mp4", (2, 2), names={2: "dog"})
    report.add(result(3, visible=True, presence=0.9, iou=0.8))
    report.add(result(4, visible=False, presence=0.1, iou=0.2))
    report.add(result(5, visible=True, presence=0.8, iou=0.6))
    assert report.frames == 3
    assert report.entry()["objects"] == [
        {
            "id": 2,
            "name": "dog",
            "frames": 3,
            "visible": 2,
            "first_visible": 3,
            "last_visible": 5,
            "presence": 0.6,
            "iou": 0.7,
        }
    ]


def test_tally_of_an_object_never_visible() -> None:
    report = VideoReport("dog.mp4", (2, 2))
    report.add(result(0, visible=False, presence=0.25, iou=0.5))
    (entry,) = report.entry()["objects"]
    assert (entry["first_visible"], entry["last_visible"], entry["presence"], entry["iou"]) == (None, None, 0.25, None)


def test_report_lines() -> None:
    report = VideoReport("dog.mp4", (4, 6), frames=10, seconds=2.0, outputs=["out.mp4"], names={1: "dog"})
    report.tallies[1] = ObjectTally(frames=10, visible=10, presence=9.0, iou=8.0)
    assert report.lines() == [
        "dog.mp4: 10 frames at 5.0 frames/s",
        "  object 1 (dog): visible in 10 of 10 frames, predicted IoU 0.80",
        "  wrote out.mp4",
    ]


def test_score() -> None:
    assert score(0.123456) == 0.1235
    assert score(float("nan")) is None


def test_table() -> None:
    assert table(("A", "B"), [("long", "1"), ("x", "")]) == "A     B\nlong  1\nx"


def test_document() -> None:
    assert document("track", videos=[]) == {"schema": "masklet/track", "version": 1, "videos": []}
