"""Masks against masks: how much they overlap, and who owns a pixel that several claim."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64

SUPPRESSED = -10.0
"""Logit at which a mask that lost a pixel ends up, at the most; its probability is below 0.00005."""

_BLOCK = 2**20  # pixels counted at a time: few enough for float32 to count them exactly and for bounded memory


def mask_iou(masks: Bool[np.ndarray, "n h w"], others: Bool[np.ndarray, "m h w"]) -> Float32[np.ndarray, "n m"]:
    """Intersection over union of every mask with every other, 0 to 1; two empty masks have 0."""
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
    """Give each pixel to the mask with the largest logit there and push all others to `SUPPRESSED` or below.

    The winner's logit stays as it is. Of equal logits the first mask wins. With a threshold of `SUPPRESSED` or more
    the masks are disjoint.
    """
    if len(logits) < 2:
        return logits.copy()
    owned = np.arange(len(logits))[:, None, None] == logits.argmax(axis=0)
    return np.where(owned, logits, np.minimum(logits, np.float32(SUPPRESSED)))
