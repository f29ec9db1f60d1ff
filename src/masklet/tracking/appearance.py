"""Appearance embeddings: the mean image feature under a mask, to compare what two masks show."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.model.tensors import ImageFeatures

EPSILON = 1e-3
"""Added to the standard deviation of a feature map, which may be 0."""


def appearance_embeddings(features: ImageFeatures, masks: Bool[Tensor, "b k s s"]) -> Float[Tensor, "b k f"]:
    """Compute a unit vector for each mask; 0 for an empty mask. The cosine similarity of two is their dot product.

    Half of the vector is the mean feature at stride 16, standardized over the image; half is the mean at stride 8, if
    the model has features there.

    Args:
        features: of the image, unconditioned (batch of 1, or a row for each object).
        masks: any number for each object, at any size.
    """
    coarse, *fine = (level.detach().float() for level in features.maps[:2])
    coarse = coarse - coarse.mean((2, 3), keepdim=True)
    coarse = coarse / (coarse.square().mean((2, 3), keepdim=True).sqrt() + EPSILON)  # `std` is much slower
    halves = [_mean_under(level, masks) for level in (coarse, *fine)]
    return F.normalize(torch.cat(halves, dim=-1), dim=-1)


def max_similarity(embeddings: Float[Tensor, "k f"], references: Float[Tensor, "n f"] | None) -> Float[Tensor, " k"]:
    """Cosine similarity of each embedding with the most similar reference, -1 to 1; 1 without references."""
    if references is None:
        return embeddings.new_ones(len(embeddings))
    return (embeddings @ references.mT).amax(dim=1)


def _mean_under(level: Float[Tensor, "p c h w"], masks: Bool[Tensor, "b k s s"]) -> Float[Tensor, "b k f"]:
    """The direction of the mean feature under each mask."""
    share = F.adaptive_avg_pool2d(masks.float(), (level.shape[-2], level.shape[-1])).flatten(2)
    return F.normalize(share @ level.flatten(2).mT, dim=-1)
