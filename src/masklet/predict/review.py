"""Where a person should look: frames that are doubtful by their confidence, or by what no object does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from masklet.masks.rle import iou
from masklet.types import Masklet, Rle

JUMP, FULL, ALIKE = 5.0, 0.9, 0.1


class FrameToReview(NamedTuple):
    """A frame worth a click.

    Attributes:
        frame_index: the frame.
        confidence: probability that the mask is right; where a rule is broken, at most half of what is asked for.
        reasons: rules that are broken, in words; empty where only the confidence is low.
    """

    frame_index: int
    confidence: float
    reasons: tuple[str, ...] = ()


def frames_to_review(masklet: Masklet, *, limit: int = 5, spacing: int = 10, below: float = 0.5) -> list[FrameToReview]:
    """The frames of an object that most need a look, the most doubtful first.

    Args:
        masklet: from `VideoSession.masklets`.
        limit: frames at most.
        spacing: frames between two of them, and between one and a prompted frame, at least: one click helps its
            neighbors too.
        below: only frames with less confidence than this.
    """
    broken = broken_rules(masklet.frames)
    doubts = []
    for i in masklet.frames:
        confidence = masklet.confidence.get(i, 1.0)
        reasons = broken.get(i, ())
        doubts.append(FrameToReview(i, min(confidence, below / 2) if reasons else confidence, reasons))
    chosen: list[FrameToReview] = []
    near = list(masklet.prompted)
    for doubt in sorted(doubts, key=lambda doubt: (doubt.confidence, doubt.frame_index)):
        if len(chosen) == limit or doubt.confidence >= below:
            break
        if all(abs(doubt.frame_index - other) >= spacing for other in near):
            chosen.append(doubt)
            near.append(doubt.frame_index)
    return chosen


def broken_rules(frames: Mapping[int, Rle]) -> dict[int, tuple[str, ...]]:
    """Frame -> what no object does there, in words; frames without are left out.

    An object does not grow or shrink five times from a frame to the next, fill more than nine tenths of the picture, or
    become what was outside of it.
    """
    found: dict[int, tuple[str, ...]] = {}
    for i, mask in frames.items():
        reasons = []
        if mask.area > FULL * mask.size[0] * mask.size[1]:
            reasons.append("fills the frame")
        before = frames.get(i - 1)
        if before is not None and before.area and mask.area:
            ratio = mask.area / before.area
            if not 1 / JUMP <= ratio <= JUMP:
                reasons.append("area jumps")
            if is_complement(mask, before):
                reasons.append("swapped with its surroundings")
        if reasons:
            found[i] = tuple(reasons)
    return found


def is_complement(mask: Rle, other: Rle) -> bool:
    """Whether two masks share next to nothing and together fill next to all of the picture."""
    whole = mask.size[0] * mask.size[1]
    fills = abs(mask.area + other.area - whole) <= ALIKE * whole
    return fills and bool(iou([mask], [other])[0, 0] <= ALIKE)
