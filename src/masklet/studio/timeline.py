"""The timeline: runs of frames where an object is present, absent or uncertain, and the frames that need review."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from jaxtyping import Int, Int64

from masklet.predict.review import IMPLAUSIBLE, REVIEW_BELOW, implausible_changes
from masklet.studio.frame_codec import Presence
from masklet.studio.frame_stats import FrameStats, prompted_frames
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
    cleaned = {i: _cleaned(own, specks) for i, own in stats.items() if len(own)}
    lanes = [{"object_id": i, "runs": runs(own), "prompted": prompted_frames(own)} for i, own in cleaned.items()]
    entries = [{"object_id": i, **entry} for i, own in cleaned.items() for entry in review(own)]
    return {"lanes": lanes, "review": sorted(entries, key=lambda entry: entry["score"])[:MAX_REVIEW]}


def runs(stats: FrameStats) -> list[tuple[int, int, Presence]]:
    """Return (start, end, presence) of the half-open runs of frames, in order."""
    uncertain = (stats["confidence"] < REVIEW_BELOW) & ~stats["prompted"]
    states = np.select([uncertain, stats["area"] > 0], [2, 0], 1)  # as `masklet.studio.frame_codec.presence_of`
    first = _breaks(stats["frame"], states)
    last = np.append(first[1:], len(stats))[: len(first)] - 1
    rows = zip(stats["frame"][first].tolist(), (stats["frame"][last] + 1).tolist(), states[first].tolist(), strict=True)
    return [(start, end, STATES[state]) for start, end, state in rows]


def review(stats: FrameStats) -> list[dict[str, Any]]:
    """Find stretches of frames that need review, each represented by its worst frame; at most `MAX_REVIEW`.

    The score of a frame is its confidence as in `masklet.predict.review`, from 0 to 1; low scores are bad.
    """
    frame = stats["frame"].astype(np.int64)
    changes = implausible_changes(frame, stats["area"])
    kinds = np.select([changes["area jumps"], changes["flickers"]], [1, 2], 0)
    confidence = np.where(kinds > 0, np.minimum(stats["confidence"], IMPLAUSIBLE), stats["confidence"])
    at = np.flatnonzero((confidence < REVIEW_BELOW) & ~stats["prompted"])
    frame, kinds, scores = frame[at], kinds[at], confidence[at]
    first = _breaks(frame, kinds)
    stretch = np.searchsorted(first, np.arange(len(at)), side="right")
    worst = np.lexsort([scores, stretch])[first]  # each stretch keeps its place, its worst frame comes to the front
    worst = np.sort(worst[np.argsort(scores[worst], kind="stable")[:MAX_REVIEW]])
    rows = zip(frame[worst].tolist(), kinds[worst].tolist(), scores[worst].tolist(), strict=True)
    return [{"frame": index, "reason": REASONS[kind], "score": round(score, 3)} for index, kind, score in rows]


def _cleaned(stats: FrameStats, specks: int) -> FrameStats:
    """Return a copy without the masks that are cleaned away, which are right only if the object is absent."""
    hidden = (stats["area"] > 0) & (stats["area"] <= specks) & ~stats["prompted"]
    cleaned = stats.copy()
    cleaned["area"][hidden] = 0
    cleaned["confidence"][hidden] = 1 - stats["presence"][hidden]
    return cleaned


def _breaks(frames: Int[np.ndarray, " n"], kinds: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Return where stretches of consecutive frames of one kind begin."""
    new = (np.diff(frames) != 1) | (np.diff(kinds) != 0)
    return np.flatnonzero(np.append(True, new)[: len(frames)])
