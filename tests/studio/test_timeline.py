"""FrameStatsCache and the list of frames worth a look, from literal scores and against a plain walk over the frames."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.predict.review import AREA_JUMP, FLICKER_CHANGES, FLICKER_FRAMES, IMPLAUSIBLE, REVIEW_BELOW
from masklet.studio.frame_codec import Presence, presence_of
from masklet.studio.frame_stats import FRAME_STATS, FrameStats
from masklet.studio.timeline import MAX_REVIEW, review, runs, timeline


class Score(NamedTuple):
    """One frame."""

    frame: int
    area: int = 100
    presence: float = 0.99
    iou: float = 0.9
    prompted: bool = False

    @property
    def confidence(self) -> float:
        """Estimated, as for a model without calibration."""
        return self.presence * self.iou if self.area else 1 - self.presence


def lane(*scores: Score) -> FrameStats:
    rows = [(1, s.frame, s.area, s.presence, s.iou, s.confidence, s.prompted) for s in scores]
    return np.array(rows, FRAME_STATS)


@pytest.mark.parametrize(
    ("area", "presence", "iou", "prompted", "state"),
    [
        (100, 0.99, 0.9, False, "present"),
        (0, 0.01, 0.9, False, "absent"),
        (0, 0.01, 0.1, False, "absent"),
        (100, 0.6, 0.9, False, "present"),
        (100, 0.5, 0.9, False, "uncertain"),
        (100, 0.99, 0.4, False, "uncertain"),
        (0, 0.4, 0.9, False, "absent"),
        (0, 0.6, 0.9, False, "uncertain"),
        (100, 0.6, 0.1, True, "present"),
        (0, 0.4, 0.1, True, "absent"),
    ],
)
def test_presence(area: int, presence: float, iou: float, prompted: bool, state: str) -> None:
    score = Score(7, area, presence, iou, prompted)
    assert presence_of(area, score.confidence, prompted=prompted) == state
    assert runs(lane(score)) == [(7, 8, state)]


def test_runs() -> None:
    scores = Score(2), Score(3), Score(4, 0, 0.01), Score(5, iou=0.3), Score(9), Score(10, prompted=True)
    assert runs(lane(*scores)) == [(2, 4, "present"), (4, 5, "absent"), (5, 6, "uncertain"), (9, 11, "present")]


def test_review_names_the_worst_frame_of_a_stretch() -> None:
    scores = [
        *(Score(0, prompted=True), Score(1, iou=0.45), Score(2, iou=0.2), Score(3, iou=0.3), Score(4)),
        *(
            Score(5, 600),
            Score(6, 590),
            Score(7, 0, 0.6),
            Score(8, 500, 0.55, 0.8),
            Score(9, 100, 0.1, 0.1, prompted=True),
        ),
    ]
    assert review(lane(*scores)) == [
        {"frame": 2, "reason": "low confidence", "score": 0.198},
        {"frame": 5, "reason": "area jumps", "score": 0.25},
        {"frame": 7, "reason": "low confidence", "score": 0.4},
    ]


def test_timeline() -> None:
    lanes = {1: lane(Score(4, prompted=True), Score(5, iou=0.3)), 2: lane(Score(5, 10, 0.99, 0.1)), 3: lane()}
    found = timeline(lanes)
    assert [one["object_id"] for one in found["lanes"]] == [1, 2]
    assert found["lanes"][0]["prompted"] == [4]
    assert [(doubt["object_id"], doubt["score"]) for doubt in found["review"]] == [(2, 0.099), (1, 0.297)]
    assert timeline(lanes, specks=10)["lanes"][1]["runs"] == [(5, 6, "uncertain")]  # sure of what is too small to see
    assert timeline({}) == {"lanes": [], "review": []}


def test_the_review_list_is_of_bounded_length() -> None:
    doubts = timeline({1: lane(*(Score(2 * i, iou=i / 2000) for i in range(MAX_REVIEW + 50)))})["review"]
    assert [doubt["frame"] for doubt in doubts] == list(range(0, 2 * MAX_REVIEW, 2))


def walked_runs(scores: list[Score]) -> list[tuple[int, int, Presence]]:
    """The same, frame by frame."""
    found: list[tuple[int, int, Presence]] = []
    for one in scores:
        frame, state = one.frame, presence_of(one.area, one.confidence, prompted=one.prompted)
        if found and found[-1][1:] == (frame, state):
            found[-1] = (found[-1][0], frame + 1, state)
        else:
            found.append((frame, frame + 1, state))
    return found


def walked_review(scores: list[Score]) -> list[dict[str, Any]]:
    """The same, frame by frame."""
    found: list[dict[str, Any]] = []
    changed = [now.frame for last, now in pairwise(scores) if bool(last.area) != bool(now.area)]
    bursts = [[at for at in changed if start <= at < start + FLICKER_FRAMES] for start in changed]
    flickers = {at for burst in bursts if len(burst) > FLICKER_CHANGES for at in burst}
    last = Score(-2, 0)
    for one in scores:
        before = last.area if last.frame == one.frame - 1 else 0
        jumps = one.area and before and max(one.area, before) > AREA_JUMP * min(one.area, before)
        reason = "area jumps" if jumps else "flickers" if one.frame in flickers else "low confidence"
        score = one.confidence if reason == "low confidence" else min(one.confidence, IMPLAUSIBLE)
        last = one
        if score < REVIEW_BELOW and not one.prompted:
            entry = {"frame": one.frame, "reason": reason, "score": score, "end": one.frame}
            if found and found[-1]["end"] == one.frame - 1 and found[-1]["reason"] == reason:
                entry = min(found.pop(), entry, key=lambda each: each["score"]) | {"end": one.frame}
            found.append(entry)
    return [{"frame": o["frame"], "reason": o["reason"], "score": round(o["score"], 3)} for o in found]


chances = st.sampled_from([0.0, 0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0])
frames = st.dictionaries(
    st.integers(0, 25), st.tuples(st.sampled_from([0, 1, 2, 5, 10, 40, 100]), chances, chances, st.booleans())
)


@given(frames)
def test_columns_tell_what_a_walk_tells(frames: dict[int, tuple[int, float, float, bool]]) -> None:
    scores = [Score(frame, *said) for frame, said in sorted(frames.items())]
    assert runs(lane(*scores)) == walked_runs(scores)
    assert review(lane(*scores)) == walked_review(scores)
