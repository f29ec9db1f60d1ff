"""How wrong answers are: focal and dice on masks, L1 on the predicted IoU, presence (paper appendix D.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from masklet.train.config import LossConfig

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
GREATEST_WEIGHT = 20.0


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of one answer, for each object; mask terms are those of the best candidate, 0 where it is absent."""

    mask: Float[Tensor, " n"]
    dice: Float[Tensor, " n"]
    iou: Float[Tensor, " n"]
    presence: Float[Tensor, " n"]

    def total(self, config: LossConfig) -> Float[Tensor, " n"]:
        """The weighted sum."""
        return (
            config.mask * self.mask + config.dice * self.dice + config.iou * self.iou + config.presence * self.presence
        )


def compare(
    logits: Float[Tensor, "n k s s"],
    iou: Float[Tensor, "n k"],
    object_score: Float[Tensor, " n"],
    truth: Float[Tensor, "n r r"],
    config: LossConfig,
) -> Terms:
    """Compare candidates with the truth.

    All predicted IoUs are supervised, and only the best mask is. Where the object is absent, nothing but its presence
    counts.

    Args:
        logits: candidates at stride 4.
        iou: predicted, of each.
        object_score: logit of presence.
        truth: coverage of each cell in [0, 1].
        config: weights and form.
    """
    present = truth.flatten(1).amax(1) > 0
    parts = [
        _chunk(logits[i : i + config.chunk], truth[i : i + config.chunk], config)
        for i in range(0, len(logits), config.chunk)
    ]
    focal, dice, actual = (torch.cat(column) for column in zip(*parts, strict=True))
    best = (config.mask * focal + config.dice * dice).detach().argmin(1, keepdim=True)
    seen = present.float()
    return Terms(
        mask=focal.gather(1, best)[:, 0] * seen,
        dice=dice.gather(1, best)[:, 0] * seen,
        iou=(iou - actual).abs().mean(1) * seen,
        presence=F.binary_cross_entropy_with_logits(object_score, seen, reduction="none"),
    )


def _chunk(
    logits: Float[Tensor, "n k s s"], truth: Float[Tensor, "n r r"], config: LossConfig
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Focal, dice and actual IoU of each candidate; what lies between is computed again in the backward pass."""
    if config.stride == 4 or not logits.requires_grad:
        return mask_terms(logits, truth, config.focal == "normalized")
    result: tuple[Tensor, Tensor, Tensor] = checkpoint(
        mask_terms, logits, truth, config.focal == "normalized", use_reentrant=False
    )
    return result


def mask_terms(
    logits: Float[Tensor, "n k s s"], truth: Float[Tensor, "n r r"], normalized: bool
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Focal loss, dice loss and actual IoU of each candidate, compared at the size of the truth."""
    if logits.shape[-1] != truth.shape[-1]:
        logits = F.interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
    wanted = truth[:, None].expand_as(logits)
    probability = logits.sigmoid()
    focal = _normalized_focal(logits, probability, wanted) if normalized else _focal(logits, probability, wanted)
    both = (probability * wanted).sum((-2, -1))
    dice = 1 - (2 * both + 1) / (probability.sum((-2, -1)) + wanted.sum((-2, -1)) + 1)
    return focal, dice, actual_iou(logits > 0, wanted > 0.5)


def _focal(logits: Tensor, probability: Tensor, wanted: Tensor) -> Float[Tensor, "n k"]:
    miss = probability + wanted - 2 * probability * wanted  # 1 minus the probability of the right answer
    balance = FOCAL_ALPHA * wanted + (1 - FOCAL_ALPHA) * (1 - wanted)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (balance * miss**FOCAL_GAMMA * entropy).mean((-2, -1))


def _normalized_focal(logits: Tensor, probability: Tensor, wanted: Tensor) -> Float[Tensor, "n k"]:
    miss = (probability - wanted).abs().detach() ** FOCAL_GAMMA
    weight = (miss / miss.mean((-2, -1), keepdim=True).clamp(min=1e-6)).clamp(max=GREATEST_WEIGHT)
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (weight * entropy).mean((-2, -1))


@torch.no_grad()
def actual_iou(found: Bool[Tensor, "*n h w"], wanted: Bool[Tensor, "*n h w"]) -> Float[Tensor, "*n"]:
    """Intersection over union of each pair of masks; 0 of two empty ones."""
    shared = (found & wanted).sum((-2, -1)).float()
    return shared / (found | wanted).sum((-2, -1)).clamp(min=1)


def coverage(masks: Bool[Tensor, "n s s"], stride: int) -> Float[Tensor, "n r r"]:
    """Which share of each cell is inside."""
    cells = masks.float()
    return cells if stride == 1 else F.avg_pool2d(cells[:, None], stride)[:, 0]
