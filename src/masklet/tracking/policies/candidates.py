"""The decoder's candidate masks of one object on one frame, with their scores, boxes and areas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from masklet.masks.boxes import boxes_of_masks
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, to_host
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
    prediction: MaskPrediction, features: ImageFeatures, references: Sequence[Float[Tensor, "_ _"] | None] | None
) -> list[DecoderCandidates]:
    """Candidates 1 to 3 of the decoder for each object of a tracked frame.

    Args:
        features: of the image, unconditioned.
        references: appearance embeddings of each object; None to compute no appearance.
    """
    inside, iou = prediction.logits[:, 1:] > 0, prediction.iou[:, 1:].float()
    similarity = torch.ones_like(iou)
    embeddings: Sequence[Tensor | None] = [None] * len(iou)
    if references is not None:
        found = list(appearance_embeddings(features, inside))
        embeddings, similarity = found, torch.stack(list(map(max_similarity, found, references)))
    masks, iou, similarity, scores = to_host(inside, iou, similarity, prediction.object_score)
    rows = zip(masks.numpy(), iou.numpy(), similarity.numpy(), scores.tolist(), embeddings, strict=True)
    return [DecoderCandidates(*row) for row in rows]


def final_candidates(chosen: ChosenMask) -> list[DecoderCandidates]:
    """Masks that are final, as one candidate for each object.

    An absent object counts as dissimilar, so that it stays hidden until a mask looks like it.
    """
    masks, iou, scores = (t.numpy() for t in to_host(chosen.logits > 0, chosen.iou.float(), chosen.object_score))
    rows = zip(masks, iou[:, None], (scores > 0).astype(np.float32)[:, None], scores.tolist(), strict=True)
    return [DecoderCandidates(*row) for row in rows]
