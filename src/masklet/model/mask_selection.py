"""Which of the four candidates to keep: pure functions of a prediction."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from masklet.model.tensors import ChosenMask, MaskPrediction

STABILITY_DELTA = 0.05
NO_OBJECT_LOGIT = -1024.0
"""Mask logit everywhere on a frame where the object is absent."""


def stability(logits: Float[Tensor, "*b s s2"], delta: float = STABILITY_DELTA) -> Float[Tensor, "*b"]:
    """IoU of each mask at the thresholds +delta and -delta: near 1 where the outline is sharp; 1 for empty masks."""
    inside = (logits > delta).sum((-2, -1)).float()
    around = (logits > -delta).sum((-2, -1)).float()
    return torch.where(around > 0, inside / around.clamp(min=1), 1.0)


def candidates(
    prediction: MaskPrediction, ranked: Bool[Tensor, " b"], min_stability: float
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Indices of the mask to keep and of the pointer to keep, for each object.

    Where they are ``ranked``, as for an ambiguous prompt, it is the best by predicted IoU of candidates 1 to 3, with
    its pointer. Otherwise candidate 0 is kept while its stability is at least ``min_stability`` (`ModelConfig`), else
    the best of the others; the pointer stays that of candidate 0 in both cases.
    """
    best = prediction.iou[:, 1:].argmax(dim=1) + 1
    first = torch.zeros_like(best)
    unstable = stability(prediction.logits[:, 0]) < min_stability
    return torch.where(ranked | unstable, best, first), torch.where(ranked, best, first)


def pick(prediction: MaskPrediction, mask_index: Int[Tensor, " b"], pointer_index: Int[Tensor, " b"]) -> ChosenMask:
    """The chosen candidates."""
    rows = torch.arange(len(mask_index), device=mask_index.device)
    return ChosenMask(
        logits=prediction.logits[rows, mask_index][:, None],
        iou=prediction.iou[rows, mask_index],
        pointer=prediction.pointers[rows, pointer_index],
        object_score=prediction.object_score,
    )


def hide_absent(chosen: ChosenMask) -> ChosenMask:
    """The same, with an empty mask where the presence head says that the object is not visible."""
    visible = (chosen.object_score > 0)[:, None, None, None]
    logits = torch.where(visible, chosen.logits, NO_OBJECT_LOGIT)
    return ChosenMask(logits, chosen.iou, chosen.pointer, chosen.object_score)
