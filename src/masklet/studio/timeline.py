"""The timeline: runs of frames where an object is present, absent or uncertain, and the frames that need review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, Int64

from masklet.studio.frame_codec import LOW_IOU, UNSURE_PRESENCE, Presence
from masklet.studio.frame_stats import FrameStats
from masklet.types import ObjectId

STATES: tuple[Presence, ...] = get_args(Presence)
REASONS = "low score", "presence unsure", "size jumps"

SIZE_JUMP = 2.5
"""Factor by which the area of a mask changes from one frame to the next in frames that need review."""

MAX_REVIEW = 200
"""Entries of the review list."""


def timeline(stats: Mapping[ObjectId, FrameStats], *, specks: int = 0) -> dict[str, Any]:
    """Return the timeline of a project.

    Args:
        stats: of its objects.
        specks: area in pixels up to which tracked masks are cleaned away.
    """
    cleaned = {i: replace(o, area=np.where((o.area > specks) | o.prompted, o.area, 0)) for i, o in stats.items()}
    lanes = [{"object_id": i, "runs": runs(o), "prompted": o.prompted_frames} for i, o in cleaned.items() if len(o)]
    entries = [{"object_id": i, **entry} for i, o in cleaned.items() for entry in review(o)]
    return {"lanes": lanes, "review": sorted(entries, key=lambda entry: entry["score"])[:MAX_REVIEW]}


def runs(stats: FrameStats) -> list[tuple[int, int, Presence]]:
    """Return (start, end, presence) of the half-open runs of frames, in order."""
    states = _states(stats)
    first = _breaks(stats.frame, states)
    last = np.append(first[1:], len(stats))[: len(first)] - 1
    rows = zip(stats.frame[first].tolist(), (stats.frame[last] + 1).tolist(), states[first].tolist(), strict=True)
    return [(start, end, STATES[state]) for start, end, state in rows]


def review(stats: FrameStats) -> list[dict[str, Any]]:
    """Return the worst frame of each stretch that needs review, for the worst `MAX_REVIEW`; a low score is bad."""
    follows = np.append(False, np.diff(stats.frame) == 1)[: len(stats)]
    before = np.where(follows, np.append(0, stats.area)[:-1], 0).astype(np.float64)
    unsure = (_states(stats) == STATES.index("uncertain")) & ~stats.prompted
    low = unsure & (stats.area > 0) & (stats.iou < LOW_IOU)
    near = (stats.area > before / SIZE_JUMP) & (stats.area < before * SIZE_JUMP)
    jumps = ~unsure & ~stats.prompted & (stats.area > 0) & (before > 0) & ~near
    kinds = np.select([low, unsure, jumps], [0, 1, 2], -1)
    at = np.flatnonzero(kinds >= 0)
    sizes = np.maximum(stats.area[at], 1), np.maximum(before[at], 1)
    change = np.minimum(sizes[0] / sizes[1], sizes[1] / sizes[0])
    scores = np.choose(kinds[at], [stats.iou[at], np.abs(stats.presence[at] - 0.5), change])
    first = _breaks(stats.frame[at], kinds[at])
    stretch = np.searchsorted(first, np.arange(len(at)), side="right")
    worst = np.lexsort([scores, stretch])[first]  # each stretch keeps its place, its worst frame comes to the front
    worst = np.sort(worst[np.argsort(scores[worst], kind="stable")[:MAX_REVIEW]])
    rows = zip(stats.frame[at][worst].tolist(), kinds[at][worst].tolist(), scores[worst].tolist(), strict=True)
    return [{"frame": frame, "reason": REASONS[kind], "score": round(score, 3)} for frame, kind, score in rows]


def _states(stats: FrameStats) -> Int64[np.ndarray, " n"]:
    """Classify every frame as `masklet.studio.frame_codec.presence_of`, as an index of `STATES`."""
    low, high = UNSURE_PRESENCE
    visible = stats.area > 0
    unsure: Bool[np.ndarray, " n"] = np.where(
        visible, (stats.presence < high) | (stats.iou < LOW_IOU), stats.presence > low
    )
    return np.select([unsure & ~stats.prompted, visible], [2, 0], 1)


def _breaks(frames: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Return where stretches of consecutive frames of one kind begin."""
    new = (np.diff(frames) != 1) | (np.diff(kinds) != 0)
    return np.flatnonzero(np.append(True, new)[: len(frames)])
