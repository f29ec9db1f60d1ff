"""What an object looks like: the picture's features under its mask."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from masklet.model.tensors import ImageFeatures

SPREAD = 1e-3
"""Added to the spread of a feature, which may be 0."""


def looks(features: ImageFeatures, masks: Bool[Tensor, "b k s s"]) -> Float[Tensor, "b k f"]:
    """The look of what is under each mask, of length 1: two of them are as alike as their product; 0 for empty masks.

    Half of it is the mean feature at stride 16 as it stands out from the whole picture, half the mean at stride 8.

    Args:
        features: of the picture, unconditioned (batch of 1 or a row for each object).
        masks: of each object, any number.
    """
    coarse, fine = (level.detach().float() for level in (features.embedding, features.stride8))
    coarse = coarse - coarse.mean((2, 3), keepdim=True)
    coarse = coarse / (coarse.square().mean((2, 3), keepdim=True).sqrt() + SPREAD)  # `std` is slower by much
    halves = [_mean_under(level, masks) for level in (coarse, fine)]
    return F.normalize(torch.cat(halves, dim=-1), dim=-1)


def alike(seen: Float32[np.ndarray, "k f"], known: Float32[np.ndarray, "n _"]) -> Float32[np.ndarray, " k"]:
    """AppearanceGate of each look to the known one that is most like it, -1 to 1; 1 where none is known."""
    return np.asarray((seen @ known.T).max(axis=1)) if len(known) else np.ones(len(seen), np.float32)


def _mean_under(level: Float[Tensor, "p c h w"], masks: Bool[Tensor, "b k s s"]) -> Float[Tensor, "b k f"]:
    """The direction of the mean feature under each mask."""
    share = F.adaptive_avg_pool2d(masks.float(), (level.shape[-2], level.shape[-1])).flatten(2)
    return F.normalize(share @ level.flatten(2).mT, dim=-1)
