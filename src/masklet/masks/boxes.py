"""Boxes (x0, y0, x1, y1) in pixels, half-open: bounding boxes of masks, IoU, and non-maximum suppression."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64


def boxes_of_masks(masks: Bool[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n 4"]:
    """Compute the bounding box of each mask; a single pixel (x, y) has (x, y, x + 1, y + 1), an empty mask zeros."""
    x0, x1 = _extent(np.asarray(masks.any(axis=1)))
    y0, y1 = _extent(np.asarray(masks.any(axis=2)))
    return np.stack([x0, y0, x1, y1], axis=1).astype(np.float32)


def _extent(hit: Bool[np.ndarray, "n k"]) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """Find the first True and one past the last True of each row; zeros if there is none."""
    if not hit.size:
        return np.zeros(len(hit), np.int64), np.zeros(len(hit), np.int64)
    some = hit.any(axis=1)
    return hit.argmax(axis=1) * some, (hit.shape[1] - hit[:, ::-1].argmax(axis=1)) * some


def box_areas(boxes: Float32[np.ndarray, "n 4"]) -> Float32[np.ndarray, " n"]:
    """Compute the area of each box; 0 for an inverted box."""
    sides: Float32[np.ndarray, "n 2"] = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides.prod(axis=1))


def box_iou(boxes: Float32[np.ndarray, "n 4"], others: Float32[np.ndarray, "m 4"]) -> Float32[np.ndarray, "n m"]:
    """Compute the IoU of every box with every other, 0 to 1; 0 if both are empty."""
    corner0 = np.maximum(boxes[:, None, :2], others[None, :, :2])
    corner1 = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Float32[np.ndarray, "n m"] = np.maximum(corner1 - corner0, 0).prod(axis=2)
    total = box_areas(boxes)[:, None] + box_areas(others)[None] - shared
    iou: Float32[np.ndarray, "n m"] = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return iou


def nms(
    boxes: Float32[np.ndarray, "n 4"], scores: Float32[np.ndarray, " n"], threshold: float
) -> Int64[np.ndarray, " k"]:
    """Apply non-maximum suppression: return the indices of boxes to keep, by descending score.

    A box is suppressed if its IoU with a kept box of higher score exceeds the threshold. Sorting is stable.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[box_iou(boxes[[best]], boxes[waiting])[0] <= threshold]
    return np.array(kept, np.int64)
