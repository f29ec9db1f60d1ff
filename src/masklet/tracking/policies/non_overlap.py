"""Objects that compete: a place belongs to one of them, and what another loses it does not remember either."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from masklet.masks.overlap import SUPPRESSED
from masklet.model.mask_selection import NO_OBJECT_LOGIT
from masklet.model.tensors import ChosenMask

KEPT = 0.3
"""An object that loses more than the rest of its mask is taken for hidden: it was seen where a look-alike is."""


def compete(chosen: Sequence[ChosenMask]) -> list[ChosenMask]:
    """Each place to the object with the largest logit there; the others' logits fall to `SUPPRESSED` or below.

    An object that keeps less than `KEPT` of its mask is hidden, with a negative object score: what it claimed was
    another object, and its memory must not learn to look for that one.

    Args:
        chosen: a batch of 1 for each object, the masks of one frame. They are not changed.
    """
    if len(chosen) < 2:
        return list(chosen)
    logits: Float[Tensor, "n 1 s s"] = torch.cat([one.logits for one in chosen])
    owner = logits.argmax(dim=0, keepdim=True)
    mine = owner == torch.arange(len(chosen), device=logits.device)[:, None, None, None]
    before, after = ((logits > 0).sum((1, 2, 3)), ((logits > 0) & mine).sum((1, 2, 3)))
    beaten = (after < KEPT * before).tolist()
    left = torch.where(mine, logits, logits.clamp(max=SUPPRESSED))
    return [
        ChosenMask(torch.full_like(left[[n]], NO_OBJECT_LOGIT), one.iou, one.pointer, -one.object_score.abs())
        if beaten[n]
        else ChosenMask(left[[n]], one.iou, one.pointer, one.object_score)
        for n, one in enumerate(chosen)
    ]
