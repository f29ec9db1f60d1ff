"""Conversion between pixels of an image and the square input of the model."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.types import Size


def points_to_model(points: Float[np.ndarray, "n 2"], size: Size, image_size: int) -> Float[np.ndarray, "n 2"]:
    """Scale (x, y) points from an image of ``size`` (height, width) to the square input of side ``image_size``.

    The aspect ratio is not preserved: each axis has its own factor (paper appendix C).
    """
    height, width = size
    scale = np.array([image_size / width, image_size / height], np.float64)
    scaled: Float[np.ndarray, "n 2"] = (points * scale).astype(np.float32)
    return scaled


def resize_to_square(pixels: Float[Tensor, "b c h w"], image_size: int) -> Float[Tensor, "b c s s"]:
    """Resize images to a square of side ``image_size``, bilinear with antialiasing."""
    return F.interpolate(pixels, (image_size, image_size), mode="bilinear", align_corners=False, antialias=True)


def mask_to_model(mask: Bool[Tensor, "b 1 h w"], image_size: int) -> Float[Tensor, "b 1 s s"]:
    """Resize masks to the square input: 1 where at least half of a pixel's area is covered, else 0.

    A mask too thin to cover half of any pixel keeps the pixel with the largest coverage, so only empty masks become
    empty.
    """
    coverage = resize_to_square(mask.float(), image_size)
    peak = coverage.amax(dim=(-2, -1), keepdim=True)
    return ((coverage > 0) & (coverage >= torch.clamp(peak, max=0.5))).float()


def logits_to_image(logits: Float[Tensor, "b n s s"], size: Size) -> Float[Tensor, "b n h w"]:
    """Resize mask logits from the square input to an image of ``size`` (height, width), bilinear."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)
