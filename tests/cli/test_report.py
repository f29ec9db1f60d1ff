"""Counts and tables."""

from __future__ import annotations

from masklet.cli.report import Tally, VideoReport, document, score, table


def test_tally() -> None:
    tally = Tally()
    tally.add(3, visible=True, presence=0.9, iou=0.8)
    tally.add(4, visible=False, presence=0.1, iou=0.2)
    tally.add(5, visible=True, presence=0.8, iou=0.6)
    assert tally.entry(2, "dog") == {
        "id": 2,
        "name": "dog",
        "frames": 3,
        "visible": 2,
        "first_visible": 3,
        "last_visible": 5,
        "presence": 0.6,
        "iou": 0.7,
    }


def test_tally_of_an_object_never_seen() -> None:
    tally = Tally()
    tally.add(0, visible=False, presence=0.25, iou=0.5)
    entry = tally.entry(1, "")
    assert (entry["first_visible"], entry["last_visible"], entry["presence"], entry["iou"]) == (None, None, 0.25, None)


def test_report_lines() -> None:
    report = VideoReport("dog.mp4", (4, 6), frames=10, seconds=2.0, outputs=["out.mp4"], names={1: "dog"})
    report.tallies[1] = Tally(frames=10, visible=10, presence=9.0, iou=8.0)
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
