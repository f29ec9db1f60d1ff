"""Find frames that need review: low confidence, implausible mask changes, or disagreement between two passes.

`benchmarks/review.py` measures the rule: the share of wrong masks among the frames that it names first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from masklet.masks.rle import pair_iou
from masklet.types import Masklet, Rle

REVIEW_BELOW = 0.5
"""Frames with less confidence need review."""

IMPLAUSIBLE = 0.25
"""Upper limit of the confidence of a frame with an implausible change."""

AREA_JUMP = 5.0
"""Ratio of the areas of two consecutive masks above which the change is implausible."""

FULL_FRAME = 0.9
"""Share of the image above which a mask is implausible."""

INVERTED = 0.1
"""Two consecutive masks with at most this IoU whose areas add up to the image, within this share, are inverted."""

FLICKER_CHANGES, FLICKER_FRAMES = 3, 8
"""An object that appears and disappears more often than this within this many frames flickers."""

AGREEMENT = 0.75
"""Masks of one frame by two passes or two annotators agree from this IoU on."""

Reason = Literal["area jumps", "fills the frame", "inverted", "flickers", "passes disagree"]


class FrameToReview(NamedTuple):
    """A frame of a masklet with its confidence.

    Attributes:
        frame_index: index of the frame.
        confidence: probability that the mask is right, 0 to 1; at most `IMPLAUSIBLE` if there are reasons.
        reasons: what is implausible about the mask; empty if only the confidence counts.
    """

    frame_index: int
    confidence: float
    reasons: tuple[Reason, ...] = ()


def frames_to_review(
    masklet: Masklet,
    *,
    limit: int = 5,
    spacing: int = 10,
    below: float = REVIEW_BELOW,
    backward: Mapping[int, Rle] | None = None,
) -> list[FrameToReview]:
    """Find the frames of an object that most need review, the one with the lowest confidence first.

    Args:
        masklet: from `VideoSession.masklets`.
        limit: maximum number of frames.
        spacing: minimum distance in frames between two of them and to a prompted frame, because one click also improves
            the neighboring frames.
        below: only frames with less confidence than this.
        backward: masks of the same object tracked in reverse (`masklet.predict.backward_check`).
    """
    found: list[FrameToReview] = []
    near = list(masklet.prompted)
    for frame in rank_frames(masklet, backward=backward):
        if len(found) == limit or frame.confidence >= below:
            break
        if all(abs(frame.frame_index - other) >= spacing for other in near):
            found.append(frame)
            near.append(frame.frame_index)
    return found


def rank_frames(masklet: Masklet, *, backward: Mapping[int, Rle] | None = None) -> list[FrameToReview]:
    """Sort the frames of an object that were not prompted by confidence, the lowest first.

    Frames without calibrated confidence (`masklet.predict.confidence`) get an estimate from presence and predicted IoU.
    """
    order = sorted(masklet.frames)
    frame, area = np.array(order, np.int64), np.array([masklet.frames[i].area for i in order], np.int64)
    presence = np.array([masklet.presence.get(i, float(masklet.frames[i].area > 0)) for i in order])
    scores = estimate_confidence(area > 0, presence, np.array([masklet.iou.get(i, 1.0) for i in order]))
    changes = implausible_changes(frame, area, num_pixels=masklet.size[0] * masklet.size[1])
    changes["inverted"] = _inverted(masklet, order)
    if backward is not None:
        changes["passes disagree"] = np.isin(frame, list(disagreeing_frames(masklet.frames, backward)))
    ranked = []
    for place, index in enumerate(order):
        reasons = tuple(reason for reason, where in changes.items() if where[place])
        confidence = masklet.confidence.get(index, float(scores[place]))
        ranked.append(FrameToReview(index, min(confidence, IMPLAUSIBLE) if reasons else confidence, reasons))
    prompted = set(masklet.prompted)
    return sorted(
        (one for one in ranked if one.frame_index not in prompted), key=lambda one: (one.confidence, one.frame_index)
    )


def describe(found: Sequence[FrameToReview]) -> str:
    """Describe the implausible frames by reason, such as "area jumps (frames 3, 17)"; empty if there are none."""
    frames: dict[Reason, list[int]] = {}
    for one in found:
        for reason in one.reasons:
            frames.setdefault(reason, []).append(one.frame_index)
    return "; ".join(
        f"{reason} (frame{'s' * (len(where) > 1)} {', '.join(map(str, sorted(where)))})"
        for reason, where in frames.items()
    )


def estimate_confidence(
    visible: Bool[np.ndarray, " n"], presence: Float64[np.ndarray, " n"], iou: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Estimate the confidence of masks without calibration.

    Args:
        visible: whether the mask is not empty.
        presence: probability that the object is visible, 0 to 1.
        iou: predicted IoU, 0 to 1.

    Returns:
        Presence times predicted IoU; for empty masks the probability that the object is absent.
    """
    return np.where(visible, presence * iou, 1 - presence)


def implausible_changes(
    frame: Int64[np.ndarray, " n"], area: Int64[np.ndarray, " n"], *, num_pixels: int | None = None
) -> dict[Reason, Bool[np.ndarray, " n"]]:
    """Find implausible changes of one object by the areas of its masks.

    Args:
        frame: frame indices in ascending order.
        area: area of the mask in pixels, 0 if it is empty.
        num_pixels: size of the image; None if it is not known, then no mask fills the frame.

    Returns:
        Reason -> whether it applies to each frame.
    """
    follows = np.append(False, np.diff(frame) == 1)[: len(frame)]
    before = np.where(follows, np.append(0, area)[: len(area)], 0)
    both = (area > 0) & (before > 0)
    jumps = both & (np.maximum(area, before) > AREA_JUMP * np.minimum(area, before))
    fills = area > (np.inf if num_pixels is None else FULL_FRAME * num_pixels)
    return {"area jumps": jumps, "fills the frame": fills, "flickers": _flickers(frame, area > 0)}


def _flickers(frame: Int64[np.ndarray, " n"], visible: Bool[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Mark the frames of bursts of appearing and disappearing."""
    changes = np.flatnonzero(np.append(False, visible[1:] != visible[:-1])[: len(frame)])
    ends = np.searchsorted(frame[changes], frame[changes] + FLICKER_FRAMES)
    burst = np.zeros(len(changes), bool)
    for start, end in enumerate(ends):
        if end - start > FLICKER_CHANGES:
            burst[start:end] = True
    found = np.zeros(len(frame), bool)
    found[changes[burst]] = True
    return found


def _inverted(masklet: Masklet, order: Sequence[int]) -> Bool[np.ndarray, " n"]:
    """Mark the masks that are almost the complement of the mask one frame before."""
    whole = masklet.size[0] * masklet.size[1]
    found = np.zeros(len(order), bool)
    for place, index in enumerate(order):
        mask, before = masklet.frames[index], masklet.frames.get(index - 1)
        if before is not None and abs(mask.area + before.area - whole) <= INVERTED * whole:
            found[place] = pair_iou(mask, before) <= INVERTED
    return found


def mask_agreement(one: Mapping[int, Rle], other: Mapping[int, Rle]) -> dict[int, float]:
    """Return the IoU on every frame that both have; two empty masks agree."""
    return {i: pair_iou(one[i], other[i]) for i in sorted(one.keys() & other.keys())}


def disagreeing_frames(one: Mapping[int, Rle], other: Mapping[int, Rle]) -> dict[int, float]:
    """Return the frames on which two passes or two annotators have different masks, with their IoU."""
    return {index: score for index, score in mask_agreement(one, other).items() if score < AGREEMENT}
