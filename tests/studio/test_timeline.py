"""Lanes and the list of frames worth a look, from literal scores."""

from __future__ import annotations

import pytest

from masklet.studio.states import presence_of
from masklet.studio.timeline import Score, review, runs, timeline


def score(frame: int, area: int = 100, presence: float = 0.99, iou: float = 0.9, *, prompted: bool = False) -> Score:
    return (1, frame, prompted, area, presence, iou)


@pytest.mark.parametrize(
    ("area", "presence", "iou", "prompted", "state"),
    [
        (100, 0.99, 0.9, False, "present"),
        (0, 0.01, 0.9, False, "absent"),
        (0, 0.01, 0.1, False, "absent"),
        (100, 0.6, 0.9, False, "uncertain"),
        (100, 0.99, 0.4, False, "uncertain"),
        (0, 0.4, 0.9, False, "uncertain"),
        (100, 0.6, 0.1, True, "present"),
        (0, 0.4, 0.1, True, "absent"),
    ],
)
def test_presence(area: int, presence: float, iou: float, prompted: bool, state: str) -> None:
    assert presence_of(area, presence, iou, prompted=prompted) == state


def test_runs() -> None:
    scores = [score(2), score(3), score(4, 0, 0.01), score(5, iou=0.3), score(9), score(10, prompted=True)]
    assert runs(scores) == [(2, 4, "present"), (4, 5, "absent"), (5, 6, "uncertain"), (9, 11, "present")]


def test_review_names_the_worst_frame_of_a_stretch() -> None:
    scores = [
        *(score(0, prompted=True), score(1, iou=0.45), score(2, iou=0.2), score(3, iou=0.3), score(4)),
        *(score(5, 300), score(6, 290), score(7, 0, 0.4), score(8, 100, 0.55), score(9, 100, 0.1, 0.1, prompted=True)),
    ]
    assert review(scores) == [
        {"frame": 2, "object_id": 1, "reason": "low score", "score": 0.2},
        {"frame": 5, "object_id": 1, "reason": "size jumps", "score": 0.333},
        {"frame": 8, "object_id": 1, "reason": "presence unsure", "score": 0.05},
    ]


def test_timeline() -> None:
    other: Score = (2, 5, False, 10, 0.99, 0.1)
    found = timeline([score(4, prompted=True), score(5, iou=0.3), other])
    assert [lane["object_id"] for lane in found["lanes"]] == [1, 2]
    assert found["lanes"][0]["prompted"] == [4]
    assert [(doubt["object_id"], doubt["score"]) for doubt in found["review"]] == [(2, 0.1), (1, 0.3)]
    assert timeline([]) == {"lanes": [], "review": []}
