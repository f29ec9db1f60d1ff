"""Overlap of masks: intersection over union, and non-overlapping masks from logits."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64

SUPPRESSED = -10.0
"""Highest logit of a pixel that belongs to another mask; its probability is below 0.00005."""

_BLOCK = 2**20  # pixels counted at a time: few enough for float32 to count them exactly and for bounded memory


def pair_iou(mask: Bool[np.ndarray, "h w"], other: Bool[np.ndarray, "h w"]) -> float:
    """Compute the IoU of two masks, 0 to 1; two empty masks agree (1)."""
    union = np.count_nonzero(mask | other)
    return float(np.count_nonzero(mask & other) / union) if union else 1.0


def mask_iou(masks: Bool[np.ndarray, "n h w"], others: Bool[np.ndarray, "m h w"]) -> Float32[np.ndarray, "n m"]:
    """Compute the IoU of every mask with every other for matching, 0 to 1; empty masks match nothing (0)."""
    pixels = masks.shape[1] * masks.shape[2]
    flat, flat_others = masks.reshape(len(masks), pixels), others.reshape(len(others), pixels)
    shared: Float64[np.ndarray, "n m"] = np.zeros((len(masks), len(others)))
    for start in range(0, pixels, _BLOCK):
        block = slice(start, start + _BLOCK)
        shared += flat[:, block].astype(np.float32) @ flat_others[:, block].astype(np.float32).T
    total = flat.sum(axis=1)[:, None] + flat_others.sum(axis=1)[None] - shared
    iou: Float64[np.ndarray, "n m"] = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return iou.astype(np.float32)


def resolve_overlap(logits: Float32[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n h w"]:
    """Assign each pixel to the mask with the highest logit and clamp the logits of all others to `SUPPRESSED`.

    The highest logit is unchanged; on ties the first mask wins. Masks binarized at `SUPPRESSED` or more are disjoint.
    """
    if len(logits) < 2:
        return logits.copy()
    owned = np.arange(len(logits))[:, None, None] == logits.argmax(axis=0)
    return np.where(owned, logits, np.minimum(logits, np.float32(SUPPRESSED)))
