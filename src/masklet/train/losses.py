"""Losses: focal and dice on masks, L1 on the predicted IoU, cross entropy on presence (paper appendix D.2)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from masklet.model.sam2 import Sam2
from masklet.train.batch import TrainBatch
from masklet.train.config import LossConfig
from masklet.train.unroll import Step, Unroll

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
MAX_PIXEL_WEIGHT = 20.0


@dataclass(frozen=True, eq=False)
class LossTerms:
    """Loss terms of one prediction for each object.

    Mask and dice are those of the best candidate. All terms except presence are 0 where the object is absent.
    """

    mask: Float[Tensor, " n"]
    dice: Float[Tensor, " n"]
    iou: Float[Tensor, " n"]
    presence: Float[Tensor, " n"]

    def total(self, config: LossConfig) -> Float[Tensor, " n"]:
        """Return the weighted sum."""
        return (
            config.mask * self.mask + config.dice * self.dice + config.iou * self.iou + config.presence * self.presence
        )


TERMS = tuple(field.name for field in fields(LossTerms))


def batch_loss(
    model: Sam2, batch: TrainBatch, config: LossConfig, *, checkpointing: bool = False
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """Run the model on a batch and compute the loss, the mean over all predictions of all objects.

    The prediction before the first click on a frame counts as much as those after each click.

    Returns:
        the loss, and the mean of each term.
    """
    batch = batch.to(model.device)
    truths = [coverage(masks, config.stride) for masks in batch.masks]
    unroll = Unroll(model, batch, checkpointing=checkpointing)
    parts = [terms for step in unroll for terms in _step_terms(step, truths[step.frame][step.rows], config)]
    if not parts:  # every object has a mask prompt, and there are no other frames
        return torch.zeros((), device=model.device), dict.fromkeys(TERMS, 0.0)
    terms = LossTerms(*(torch.cat([getattr(part, name) for part in parts]) for name in TERMS))
    means = torch.stack([getattr(terms, name).mean() for name in TERMS]).tolist()
    return terms.total(config).mean(), dict(zip(TERMS, means, strict=True))


def _step_terms(step: Step, truth: Float[Tensor, "n r r"], config: LossConfig) -> list[LossTerms]:
    """Supervise candidates 1 to 3 of ambiguous predictions and candidate 0 of the others (``every_first``: of all)."""
    ambiguous, parts = step.ambiguous, []
    single = torch.ones_like(ambiguous) if config.every_first else ~ambiguous
    for selected, candidates in ((ambiguous, slice(1, None)), (single, slice(0, 1))):
        rows = selected.nonzero()[:, 0]
        if len(rows):
            made = step.prediction if len(rows) == len(truth) else step.prediction.rows(rows.tolist())
            logits, iou = made.logits[:, candidates], made.iou[:, candidates]
            parts.append(compare(logits, iou, made.object_score, truth[rows], config))
    return parts


def compare(
    logits: Float[Tensor, "n k s s"],
    iou: Float[Tensor, "n k"],
    object_score: Float[Tensor, " n"],
    truth: Float[Tensor, "n r r"],
    config: LossConfig,
) -> LossTerms:
    """Compare candidate masks with the true masks.

    Only the best candidate gets a mask loss; the predicted IoUs of all candidates are supervised. An absent object
    contributes its presence only.

    Args:
        logits: candidate masks at stride 4.
        iou: predicted IoU of each candidate.
        object_score: logit of presence.
        truth: share of each cell that is inside the true mask, 0 to 1.
        config: weights and type of the losses.
    """
    present = truth.flatten(1).amax(1) > 0
    parts = [
        _chunk_terms(logits[i : i + config.chunk], truth[i : i + config.chunk], config)
        for i in range(0, len(logits), config.chunk)
    ]
    focal, dice, actual = (torch.cat(column) for column in zip(*parts, strict=True))
    best = (config.mask * focal + config.dice * dice).detach().argmin(1, keepdim=True)
    weight = present.float()
    return LossTerms(
        mask=focal.gather(1, best)[:, 0] * weight,
        dice=dice.gather(1, best)[:, 0] * weight,
        iou=(iou - actual).abs().mean(1) * weight,
        presence=F.binary_cross_entropy_with_logits(object_score, weight, reduction="none"),
    )


def _chunk_terms(
    logits: Float[Tensor, "n k s s"], truth: Float[Tensor, "n r r"], config: LossConfig
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Compute `mask_terms`, recomputing activations in the backward pass if they are large."""
    if config.stride == 4 or not logits.requires_grad:
        return mask_terms(logits, truth, config.focal == "normalized")
    result: tuple[Tensor, Tensor, Tensor] = checkpoint(
        mask_terms, logits, truth, config.focal == "normalized", use_reentrant=False
    )
    return result


def mask_terms(
    logits: Float[Tensor, "n k s s"], truth: Float[Tensor, "n r r"], normalized: bool
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"], Float[Tensor, "n k"]]:
    """Compute focal loss, dice loss and actual IoU of each candidate at the resolution of the true masks."""
    if logits.shape[-1] != truth.shape[-1]:
        logits = F.interpolate(logits, truth.shape[-2:], mode="bilinear", align_corners=False)
    target = truth[:, None].expand_as(logits)
    probability = logits.sigmoid()
    focal = _normalized_focal(logits, probability, target) if normalized else _focal(logits, probability, target)
    both = (probability * target).sum((-2, -1))
    dice = 1 - (2 * both + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return focal, dice, actual_iou(logits > 0, target > 0.5)


def _focal(logits: Tensor, probability: Tensor, target: Tensor) -> Float[Tensor, "n k"]:
    miss = probability + target - 2 * probability * target  # 1 minus the probability of the correct class
    balance = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (balance * miss**FOCAL_GAMMA * entropy).mean((-2, -1))


def _normalized_focal(logits: Tensor, probability: Tensor, target: Tensor) -> Float[Tensor, "n k"]:
    miss = (probability - target).abs().detach() ** FOCAL_GAMMA
    weight = (miss / miss.mean((-2, -1), keepdim=True).clamp(min=1e-6)).clamp(max=MAX_PIXEL_WEIGHT)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * entropy).mean((-2, -1))


@torch.no_grad()
def actual_iou(predicted: Bool[Tensor, "*n h w"], target: Bool[Tensor, "*n h w"]) -> Float[Tensor, "*n"]:
    """Compute the intersection over union of each pair of masks; 0 if both are empty."""
    shared = (predicted & target).sum((-2, -1)).float()
    return shared / (predicted | target).sum((-2, -1)).clamp(min=1)


def coverage(masks: Bool[Tensor, "n s s"], stride: int) -> Float[Tensor, "n r r"]:
    """Compute the share of each cell of ``stride`` x ``stride`` pixels that is inside the mask."""
    cells = masks.float()
    return cells if stride == 1 else F.avg_pool2d(cells[:, None], stride)[:, 0]
