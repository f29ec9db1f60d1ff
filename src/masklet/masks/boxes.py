"""Boxes (x0, y0, x1, y1) in pixels, half-open: of masks, their overlap, and the best among many that overlap."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64


def boxes_of_masks(masks: Bool[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n 4"]:
    """The tightest box of each mask: a mask of the one pixel (x, y) has (x, y, x + 1, y + 1), an empty one zeros."""
    x0, x1 = _extent(np.asarray(masks.any(axis=1)))
    y0, y1 = _extent(np.asarray(masks.any(axis=2)))
    return np.stack([x0, y0, x1, y1], axis=1).astype(np.float32)


def _extent(hit: Bool[np.ndarray, "n k"]) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
    """First True and one past the last True of each row, zeros where there is none."""
    if not hit.size:
        return np.zeros(len(hit), np.int64), np.zeros(len(hit), np.int64)
    some = hit.any(axis=1)
    return hit.argmax(axis=1) * some, (hit.shape[1] - hit[:, ::-1].argmax(axis=1)) * some


def box_areas(boxes: Float32[np.ndarray, "n 4"]) -> Float32[np.ndarray, " n"]:
    """Width times height, 0 for a box that is turned inside out."""
    sides: Float32[np.ndarray, "n 2"] = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides.prod(axis=1))


def box_iou(boxes: Float32[np.ndarray, "n 4"], others: Float32[np.ndarray, "m 4"]) -> Float32[np.ndarray, "n m"]:
    """Intersection over union of every box with every other, 0 to 1; 0 where both are empty."""
    corner0 = np.maximum(boxes[:, None, :2], others[None, :, :2])
    corner1 = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Float32[np.ndarray, "n m"] = np.maximum(corner1 - corner0, 0).prod(axis=2)
    total = box_areas(boxes)[:, None] + box_areas(others)[None] - shared
    iou: Float32[np.ndarray, "n m"] = np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)
    return iou


def nms(
    boxes: Float32[np.ndarray, "n 4"], scores: Float32[np.ndarray, " n"], threshold: float
) -> Int64[np.ndarray, " k"]:
    """Which boxes to keep, best first: each one that no better kept box overlaps by an IoU above the threshold.

    Equal scores keep the order they came in.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(int(best))
        waiting = waiting[box_iou(boxes[[best]], boxes[waiting])[0] <= threshold]
    return np.array(kept, np.int64)
