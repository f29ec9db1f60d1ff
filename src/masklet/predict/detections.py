"""What a detector found on a frame: boxes or masks with scores and labels, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from masklet.errors import PromptError
from masklet.masks.boxes import boxes_of_masks
from masklet.types import Prompts, RgbImage, Size


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector found on one frame.

    Attributes:
        boxes: (n, 4), (x0, y0, x1, y1) in pixels; made from the masks where they are not given.
        masks: (n, h, w) bool at the size of the frame, or None.
        scores: (n,), 0 to 1; 1 where they are not given.
        labels: what each of them is; "" where they are not given.

    Raises:
        PromptError: numbers that do not fit each other, or are not finite.
    """

    boxes: Float32[np.ndarray, "n 4"] | None = None
    masks: Bool[np.ndarray, "n h w"] | None = None
    scores: Float32[np.ndarray, " n"] | None = None
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        masks = np.zeros((0, 1, 1), bool)
        if self.masks is not None:
            masks = _checked_masks(self.masks)
            object.__setattr__(self, "masks", masks)
        boxes = boxes_of_masks(masks) if self.boxes is None else _floats(self.boxes, "boxes")
        boxes = boxes if boxes.size else np.zeros((0, 4), np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise PromptError(f"expected boxes of 4 finite numbers (x0, y0, x1, y1), got {boxes.tolist()}")
        scores = np.ones(len(boxes), np.float32) if self.scores is None else _floats(self.scores, "scores")
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise PromptError(f"expected a finite score for each detection, got {scores.tolist()}")
        labels = ("",) * len(boxes) if self.labels is None else tuple(self.labels)
        lengths = {len(boxes), len(scores), len(labels), len(boxes) if self.masks is None else len(masks)}
        if len(lengths) > 1:
            raise PromptError(
                f"expected as many boxes as scores, labels and masks, got {len(boxes)}, {len(scores)}, {len(labels)}"
                + ("" if self.masks is None else f" and {len(masks)}")
            )
        for name, value in (("boxes", boxes), ("scores", scores), ("labels", labels)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels or ())

    def prompts(self, row: int, size: Size) -> Prompts | None:
        """One of them as a prompt for a frame of ``size``, cut off at the border; None where nothing is left."""
        if self.masks is not None:
            return Prompts.from_mask(self.masks[row]) if self.masks[row].any() else None
        x0, y0, x1, y1 = np.clip(boxes_in(self)[row], 0, [size[1], size[0]] * 2).tolist()
        return Prompts.from_box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def boxes_in(detections: Detections) -> Float32[np.ndarray, "n 4"]:
    """Their boxes, given or made from the masks."""
    assert detections.boxes is not None, "made when they were put together"
    return detections.boxes


def _floats(values: object, what: str) -> Float32[np.ndarray, "..."]:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise PromptError(f"{what} must be numbers, got {values!r}") from None


def _checked_masks(values: object) -> Bool[np.ndarray, "n h w"]:
    try:
        masks = np.asarray(values, bool)
    except ValueError:
        raise PromptError("expected masks of one size") from None
    if masks.shape == (0,):  # the list of a detector that found nothing
        return np.zeros((0, 1, 1), bool)
    if masks.ndim != 3:
        raise PromptError(f"expected masks of shape (n, height, width), got {masks.shape}")
    return masks


Detector = Callable[[int, RgbImage], Detections]
"""Looks at a frame, given with its index."""
