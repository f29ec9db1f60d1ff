"""The lanes of the timeline and the frames worth a look: runs of frames where an object is there, is not, or may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, Int64

from masklet.studio.frame_codec import LOW_IOU, UNSURE_PRESENCE, Presence
from masklet.studio.frame_stats import Lane
from masklet.types import ObjectId

STATES: tuple[Presence, ...] = get_args(Presence)
REASONS = "low score", "presence unsure", "size jumps"

SIZE_JUMP = 2.5
"""Growing or shrinking by this factor from one frame to the next is worth a look."""

MOST = 200
"""Entries of the review list."""


def timeline(lanes: Mapping[ObjectId, Lane], *, specks: int = 0) -> dict[str, Any]:
    """Lanes and review list of a project.

    Args:
        lanes: by object.
        specks: objects that are no larger are not seen.
    """
    seen = {i: replace(o, area=np.where((o.area > specks) | o.prompted, o.area, 0)) for i, o in lanes.items()}
    entries = [
        {"object_id": i, "runs": runs(lane), "prompted": lane.prompted_frames} for i, lane in seen.items() if len(lane)
    ]
    doubts = [{"object_id": i, **doubt} for i, lane in seen.items() for doubt in review(lane)]
    return {"lanes": entries, "review": sorted(doubts, key=lambda doubt: doubt["score"])[:MOST]}


def runs(lane: Lane) -> list[tuple[int, int, Presence]]:
    """Half-open runs of frames by what is known of them, in order."""
    states = _states(lane)
    first = _breaks(lane.frame, states)
    last = np.append(first[1:], len(lane))[: len(first)] - 1
    rows = zip(lane.frame[first].tolist(), (lane.frame[last] + 1).tolist(), states[first].tolist(), strict=True)
    return [(start, end, STATES[state]) for start, end, state in rows]


def review(lane: Lane) -> list[dict[str, Any]]:
    """The doubtful stretches, the worst `MOST`, each by its worst frame; a low score is bad."""
    follows = np.append(False, np.diff(lane.frame) == 1)[: len(lane)]
    before = np.where(follows, np.append(0, lane.area)[:-1], 0).astype(np.float64)
    unsure = (_states(lane) == STATES.index("uncertain")) & ~lane.prompted
    low = unsure & (lane.area > 0) & (lane.iou < LOW_IOU)
    near = (lane.area > before / SIZE_JUMP) & (lane.area < before * SIZE_JUMP)
    jumps = ~unsure & ~lane.prompted & (lane.area > 0) & (before > 0) & ~near
    kinds = np.select([low, unsure, jumps], [0, 1, 2], -1)
    at = np.flatnonzero(kinds >= 0)
    sizes = np.maximum(lane.area[at], 1), np.maximum(before[at], 1)
    change = np.minimum(sizes[0] / sizes[1], sizes[1] / sizes[0])
    scores = np.choose(kinds[at], [lane.iou[at], np.abs(lane.presence[at] - 0.5), change])
    first = _breaks(lane.frame[at], kinds[at])
    stretch = np.searchsorted(first, np.arange(len(at)), side="right")
    worst = np.lexsort([scores, stretch])[first]  # each stretch keeps its place, its worst frame comes to the front
    worst = np.sort(worst[np.argsort(scores[worst], kind="stable")[:MOST]])
    rows = zip(lane.frame[at][worst].tolist(), kinds[at][worst].tolist(), scores[worst].tolist(), strict=True)
    return [{"frame": frame, "reason": REASONS[kind], "score": round(score, 3)} for frame, kind, score in rows]


def _states(lane: Lane) -> Int64[np.ndarray, " n"]:
    """`masklet.studio.frame_codec.presence_of` of every frame, as an index of `STATES`."""
    low, high = UNSURE_PRESENCE
    seen = lane.area > 0
    unsure: Bool[np.ndarray, " n"] = np.where(seen, (lane.presence < high) | (lane.iou < LOW_IOU), lane.presence > low)
    return np.select([unsure & ~lane.prompted, seen], [2, 0], 1)


def _breaks(frames: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Where stretches of following frames of one kind begin."""
    new = (np.diff(frames) != 1) | (np.diff(kinds) != 0)
    return np.flatnonzero(np.append(True, new)[: len(frames)])
