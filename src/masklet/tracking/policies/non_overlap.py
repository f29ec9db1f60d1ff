"""Non-overlap before memory encoding: each pixel belongs to at most one object, in masks and memories alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from masklet.masks.overlap import SUPPRESSED
from masklet.model.mask_decoder import NO_OBJECT_LOGIT
from masklet.model.tensors import ChosenMask

MIN_SHARE = 0.3
"""An object that keeps less of its mask than this counts as hidden: its mask was on another object."""


def resolve_overlaps(chosen: Sequence[ChosenMask]) -> list[ChosenMask]:
    """Give each pixel to the object with the highest logit; the logits of the others fall to `SUPPRESSED` or below.

    An object that keeps less than `MIN_SHARE` of its mask is hidden, with a negative object score, so that its memory
    does not learn the appearance of the other object.

    Args:
        chosen: a batch of 1 for each object, the masks of one frame. They are not changed.
    """
    if len(chosen) < 2:
        return list(chosen)
    logits: Float[Tensor, "n 1 s s"] = torch.cat([one.logits for one in chosen])
    owner = logits.argmax(dim=0, keepdim=True)
    owned = owner == torch.arange(len(chosen), device=logits.device)[:, None, None, None]
    before, after = ((logits > 0).sum((1, 2, 3)), ((logits > 0) & owned).sum((1, 2, 3)))
    hidden = (after < MIN_SHARE * before).tolist()
    left = torch.where(owned, logits, logits.clamp(max=SUPPRESSED))
    return [
        ChosenMask(torch.full_like(left[[n]], NO_OBJECT_LOGIT), one.iou, one.pointer, -one.object_score.abs())
        if hidden[n]
        else ChosenMask(left[[n]], one.iou, one.pointer, one.object_score)
        for n, one in enumerate(chosen)
    ]
