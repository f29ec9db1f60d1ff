"""The timeline: runs of frames where an object is present, absent or uncertain, and the frames that need review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from jaxtyping import Float64, Int64

from masklet.predict.review import IMPLAUSIBLE, REVIEW_BELOW, estimate_confidence, implausible_changes
from masklet.studio.frame_codec import Presence
from masklet.studio.frame_stats import FrameStats
from masklet.types import ObjectId

STATES: tuple[Presence, ...] = get_args(Presence)
REASONS = "low confidence", "area jumps", "flickers"

MAX_REVIEW = 200
"""Entries of the review list."""


def timeline(stats: Mapping[ObjectId, FrameStats], *, specks: int = 0) -> dict[str, Any]:
    """Return the timeline of a project.

    Args:
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
    """Find stretches of frames that need review, each represented by its worst frame; at most `MAX_REVIEW`.

    The score of a frame is its confidence as in `masklet.predict.review`, from 0 to 1; low scores are bad.
    """
    changes = implausible_changes(stats.frame, stats.area)
    implausible = changes["area jumps"] | changes["flickers"]
    confidence = _confidence(stats)
    confidence = np.where(implausible, np.minimum(confidence, IMPLAUSIBLE), confidence)
    kinds = np.select([changes["area jumps"], changes["flickers"]], [1, 2], 0)
    at = np.flatnonzero((confidence < REVIEW_BELOW) & ~stats.prompted)
    scores = confidence[at]
    first = _breaks(stats.frame[at], kinds[at])
    stretch = np.searchsorted(first, np.arange(len(at)), side="right")
    worst = np.lexsort([scores, stretch])[first]  # each stretch keeps its place, its worst frame comes to the front
    worst = np.sort(worst[np.argsort(scores[worst], kind="stable")[:MAX_REVIEW]])
    rows = zip(stats.frame[at][worst].tolist(), kinds[at][worst].tolist(), scores[worst].tolist(), strict=True)
    return [{"frame": frame, "reason": REASONS[kind], "score": round(score, 3)} for frame, kind, score in rows]


def _confidence(stats: FrameStats) -> Float64[np.ndarray, " n"]:
    return estimate_confidence(stats.area > 0, stats.presence, stats.iou)


def _states(stats: FrameStats) -> Int64[np.ndarray, " n"]:
    """Classify every frame as `masklet.studio.frame_codec.presence_of`, as an index of `STATES`."""
    return np.select([(_confidence(stats) < REVIEW_BELOW) & ~stats.prompted, stats.area > 0], [2, 0], 1)


def _breaks(frames: Int64[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Return where stretches of consecutive frames of one kind begin."""
    new = (np.diff(frames) != 1) | (np.diff(kinds) != 0)
    return np.flatnonzero(np.append(True, new)[: len(frames)])
