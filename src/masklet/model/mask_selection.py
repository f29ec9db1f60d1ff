"""Selection of one of the decoder's four candidate masks: pure functions of a `MaskPrediction`."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from masklet.model.tensors import ChosenMask, MaskPrediction

STABILITY_DELTA = 0.05
NO_OBJECT_LOGIT = -1024.0
"""Value of all mask logits on a frame where the object is absent."""


def stability_score(logits: Float[Tensor, "*b s s2"], delta: float = STABILITY_DELTA) -> Float[Tensor, "*b"]:
    """Compute the stability score of each mask: its IoU between the thresholds +delta and -delta.

    The score is near 1 where the outline is sharp, and 1 for an empty mask.
    """
    inner = (logits > delta).sum((-2, -1)).float()
    outer = (logits > -delta).sum((-2, -1)).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


def select_masks(prediction: MaskPrediction, ranked: Bool[Tensor, " b"], min_stability: float) -> ChosenMask:
    """Select one candidate per object; see `select_indices`."""
    return gather_masks(prediction, *select_indices(prediction, ranked, min_stability))


def select_indices(
    prediction: MaskPrediction, ranked: Bool[Tensor, " b"], min_stability: float
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Select the candidate that gives the mask and the one that gives the object pointer, for each object.

    Args:
        prediction: all candidates.
        ranked: objects whose prompt is ambiguous. They get the mask and the pointer of the candidate among 1 to 3 with
            the highest predicted IoU. The others get candidate 0, or, where its stability score is below
            ``min_stability``, the mask of the best of candidates 1 to 3 with the pointer of candidate 0.
        min_stability: 0 to 1; see `ModelConfig`.
    """
    best = prediction.iou[:, 1:].argmax(dim=1) + 1
    first = torch.zeros_like(best)
    unstable = stability_score(prediction.logits[:, 0]) < min_stability
    return torch.where(ranked | unstable, best, first), torch.where(ranked, best, first)


def gather_masks(
    prediction: MaskPrediction, mask_index: Int[Tensor, " b"], pointer_index: Int[Tensor, " b"]
) -> ChosenMask:
    """Gather the candidates at the given indices."""
    rows = torch.arange(len(mask_index), device=mask_index.device)
    return ChosenMask(
        logits=prediction.logits[rows, mask_index][:, None],
        iou=prediction.iou[rows, mask_index],
        pointer=prediction.pointers[rows, pointer_index],
        object_score=prediction.object_score,
    )


def suppress_absent(chosen: ChosenMask) -> ChosenMask:
    """Replace the masks of objects that the presence head scores as absent with empty ones."""
    visible = (chosen.object_score > 0)[:, None, None, None]
    logits = torch.where(visible, chosen.logits, NO_OBJECT_LOGIT)
    return ChosenMask(logits, chosen.iou, chosen.pointer, chosen.object_score)
