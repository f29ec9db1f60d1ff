"""The decoder's candidate masks of one object on one frame, with their scores, boxes and areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32
from torch import Tensor

from masklet.masks.boxes import boxes_of_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction
from masklet.tracking.appearance import appearance_embeddings, max_similarity


@dataclass(frozen=True, eq=False)
class DecoderCandidates:
    """Candidate masks of one object.

    Attributes:
        masks: at a quarter of the model's input size.
        iou: predicted IoU of each, 0 to 1.
        similarity: appearance similarity of each to the object's references; 1 where there are none.
        object_score: logit of the presence head.
        appearance: embedding of each mask, or None where it was not computed.
    """

    masks: Bool[np.ndarray, "k s s"]
    iou: Float32[np.ndarray, " k"]
    similarity: Float32[np.ndarray, " k"]
    object_score: float
    appearance: Tensor | None = None

    @cached_property
    def boxes(self) -> Float32[np.ndarray, "k 4"]:
        """(x0, y0, x1, y1) as shares of the frame's sides; zeros for an empty mask."""
        return boxes_of_masks(self.masks) / np.float32(self.masks.shape[-1])

    @cached_property
    def areas(self) -> Float32[np.ndarray, " k"]:
        """Area of each mask as a share of the frame."""
        return np.asarray(self.masks.mean(axis=(1, 2), dtype=np.float32))


def decoder_candidates(
    prediction: MaskPrediction, features: ImageFeatures, references: Sequence[Float32[np.ndarray, "_ _"]] | None
) -> list[DecoderCandidates]:
    """Candidates 1 to 3 of the decoder for each object of a tracked frame.

    Args:
        features: of the image, unconditioned.
        references: appearance embeddings of each object; None to compute no appearance.
    """
    inside = prediction.logits[:, 1:] > 0
    masks, iou = inside.cpu().numpy(), prediction.iou[:, 1:].float().cpu().numpy()
    scores = prediction.object_score.tolist()
    if references is None:
        ones = np.ones(masks.shape[1], np.float32)
        return [DecoderCandidates(*row) for row in zip(masks, iou, [ones] * len(masks), scores, strict=True)]
    embeddings = appearance_embeddings(features, inside)
    similarity = [max_similarity(*pair) for pair in zip(embeddings.cpu().numpy(), references, strict=True)]
    return [DecoderCandidates(*row) for row in zip(masks, iou, similarity, scores, embeddings, strict=True)]


def final_candidates(chosen: ChosenMask) -> list[DecoderCandidates]:
    """Masks that are final, as one candidate for each object.

    An absent object counts as dissimilar, so that it stays hidden until a mask looks like it.
    """
    masks, iou = (chosen.logits > 0).cpu().numpy(), chosen.iou.float().cpu().numpy()
    similarity = (chosen.object_score > 0).float().cpu().numpy()
    rows = zip(masks, iou[:, None], similarity[:, None], chosen.object_score.tolist(), strict=True)
    return [DecoderCandidates(*row) for row in rows]
