"""The lanes of the timeline and the frames worth a look: runs of frames where an object is there, is not, or may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from masklet.studio.states import LOW_IOU, Presence, presence_of
from masklet.types import ObjectId

Score = tuple[ObjectId, int, bool, int, float, float]
"""(object, frame, prompted, area, presence, iou)."""

SIZE_JUMP = 2.5
"""Growing or shrinking by this factor from one frame to the next is worth a look."""

MOST = 200
"""Entries of the review list."""


def timeline(scores: Iterable[Score], *, specks: int = 0) -> dict[str, Any]:
    """Lanes and review list of a project.

    Args:
        scores: of every result, by object and frame.
        specks: objects that are no larger are not seen.
    """
    by_object: dict[ObjectId, list[Score]] = {}
    for i, frame, prompted, area, presence, iou in scores:
        seen = area if area > specks or prompted else 0
        by_object.setdefault(i, []).append((i, frame, prompted, seen, presence, iou))
    lanes = [
        {"object_id": i, "runs": runs(these), "prompted": [frame for _, frame, prompted, *_ in these if prompted]}
        for i, these in by_object.items()
    ]
    doubts = [doubt for these in by_object.values() for doubt in review(these)]
    return {"lanes": lanes, "review": sorted(doubts, key=lambda doubt: doubt["score"])[:MOST]}


def runs(scores: Sequence[Score]) -> list[tuple[int, int, Presence]]:
    """Half-open runs of one object's frames by what is known of them, in order."""
    found: list[tuple[int, int, Presence]] = []
    for _, frame, prompted, area, presence, iou in scores:
        state = presence_of(area, presence, iou, prompted=prompted)
        if found and found[-1][1:] == (frame, state):
            found[-1] = (found[-1][0], frame + 1, state)
        else:
            found.append((frame, frame + 1, state))
    return found


def review(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """The doubtful stretches of one object, each by its worst frame; a low score is bad."""
    doubts: list[dict[str, Any]] = []
    last_frame, last_area = -2, 0
    for object_id, frame, prompted, area, presence, iou in scores:
        found = None
        if not prompted:
            previous = last_area if last_frame == frame - 1 else 0
            found = _doubt(area, presence, iou, previous)
        if found is not None:
            entry = {
                "frame": frame,
                "object_id": object_id,
                "reason": found[0],
                "score": round(found[1], 3),
                "end": frame,
            }
            if doubts and doubts[-1]["end"] == frame - 1 and doubts[-1]["reason"] == entry["reason"]:
                entry = min(doubts.pop(), entry, key=lambda each: each["score"]) | {"end": frame}
            doubts.append(entry)
        last_frame, last_area = frame, area
    return [{key: value for key, value in doubt.items() if key != "end"} for doubt in doubts]


def _doubt(area: int, presence: float, iou: float, previous: int) -> tuple[str, float] | None:
    if presence_of(area, presence, iou, prompted=False) == "uncertain":
        if area and iou < LOW_IOU:
            return "low score", iou
        return "presence unsure", abs(presence - 0.5)
    if area and previous and not previous / SIZE_JUMP < area < previous * SIZE_JUMP:
        return "size jumps", min(area / previous, previous / area)
    return None
