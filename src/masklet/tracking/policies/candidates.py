"""What the decoder says of one object on one frame: its candidates with their scores, boxes and areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32

from masklet.masks.boxes import boxes_of_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction
from masklet.tracking.appearance import alike, looks


@dataclass(frozen=True, eq=False)
class Evidence:
    """Candidates of one object.

    Attributes:
        masks: at a quarter of the model's input size.
        iou: predicted IoU of each, 0 to 1.
        alike: likeness of each to what is known of the object (`tracking.look`); 1 where nobody asks.
        object_score: logit of the presence head.
    """

    masks: Bool[np.ndarray, "k s s"]
    iou: Float32[np.ndarray, " k"]
    alike: Float32[np.ndarray, " k"]
    object_score: float

    @cached_property
    def boxes(self) -> Float32[np.ndarray, "k 4"]:
        """(x0, y0, x1, y1) as shares of the frame's sides; zeros for an empty mask."""
        return boxes_of_masks(self.masks) / np.float32(self.masks.shape[-1])

    @cached_property
    def areas(self) -> Float32[np.ndarray, " k"]:
        """As shares of the frame."""
        return np.asarray(self.masks.mean(axis=(1, 2), dtype=np.float32))


def weigh(
    prediction: MaskPrediction, features: ImageFeatures, known: Sequence[Float32[np.ndarray, "_ _"]]
) -> list[Evidence]:
    """The evidence for each object on a tracked frame: candidates 1 to 3 of the decoder.

    Args:
        prediction: of the objects.
        features: of the picture, unconditioned.
        known: the looks of each object.
    """
    inside = prediction.logits[:, 1:] > 0
    likeness = [alike(*pair) for pair in zip(looks(features, inside).cpu().numpy(), known, strict=True)]
    masks, iou = inside.cpu().numpy(), prediction.iou[:, 1:].float().cpu().numpy()
    return [Evidence(*row) for row in zip(masks, iou, likeness, prediction.object_score.tolist(), strict=True)]


def settled(chosen: ChosenMask) -> list[Evidence]:
    """The evidence of masks that are no longer in question: one candidate for each object.

    One that is absent is unlike the object, so that nothing is shown again before it looks like it.
    """
    masks, iou = (chosen.logits > 0).cpu().numpy(), chosen.iou.float().cpu().numpy()
    sure = (chosen.object_score > 0).float().cpu().numpy()
    rows = zip(masks, iou[:, None], sure[:, None], chosen.object_score.tolist(), strict=True)
    return [Evidence(*row) for row in rows]
