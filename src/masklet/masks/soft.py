"""Soft edges: alpha mattes and trimaps from masks, for compositing and matting tools."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from masklet.masks.boundary import bounding_window

UNKNOWN = 128
"""Value of unknown pixels in a trimap."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Options for converting the edge of a mask to alpha; all widths in pixels.

    Attributes:
        soften: half the width of the ramp from outside to inside; 0 keeps the edge hard.
        detail: distance from the edge within which alpha follows the image (hair, leaves); 0 ignores the image.
        trimap: half the width of the unknown band (alpha 0.5) for a matting tool; replaces the other options.
    """

    soften: float = 0.0
    detail: int = 0
    trimap: int = 0


Gray = Float32[np.ndarray, "h w"]


def alpha_of(mask: Bool[np.ndarray, "h w"], edge: Edge, image: UInt8[np.ndarray, "h w 3"] | None = None) -> Gray:
    """Compute the alpha matte of a mask, 0 to 1; ``image`` is only needed for detail.

    Only the bounding window of the mask is processed, so small objects are cheap.
    """
    if not (edge.soften or edge.detail or edge.trimap) or not mask.any():
        return mask.astype(np.float32)
    margin = 1 + max(int(np.ceil(edge.soften)), 2 * edge.detail, edge.trimap)
    window = bounding_window(mask, margin)
    inside = mask[window]
    alpha = np.zeros(mask.shape, np.float32)
    if edge.trimap:
        alpha[window] = trimap(inside, edge.trimap) / np.float32(255)
        return alpha
    soft = softened(inside, edge.soften)
    if edge.detail and image is not None:
        soft = guided(soft, image[window].mean(axis=2, dtype=np.float32) / 255, edge.detail)
    alpha[window] = soft
    return alpha


def softened(mask: Bool[np.ndarray, "h w"], width: float) -> Gray:
    """Compute a smooth ramp across the edge of a mask: 0.5 on the edge, 0 and 1 beyond ``width`` pixels.

    The image border is not an edge.
    """
    if width <= 0 or not mask.any() or mask.all():
        return mask.astype(np.float32)
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    across = np.clip((signed - np.sign(signed) / 2) / (2 * width) + 0.5, 0, 1)  # the edge lies between two pixels
    return np.asarray(across * across * (3 - 2 * across), np.float32)


def trimap(mask: Bool[np.ndarray, "h w"], width: int) -> UInt8[np.ndarray, "h w"]:
    """Compute a trimap: 255 inside, 0 outside, `UNKNOWN` within ``width`` pixels of the edge on either side."""
    near = ndimage.distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, np.inf)
    far = ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    values = np.where(mask, np.uint8(255), np.uint8(0))
    values[np.where(mask, near, far) <= width] = UNKNOWN
    return values


def guided(alpha: Gray, guide: Gray, radius: int, *, epsilon: float = 1e-4) -> Gray:
    """Filter alpha so that it follows the edges of a gray image (guided filter; He, Sun and Tang 2013, section 3).

    Args:
        alpha: values from 0 to 1.
        guide: gray image, 0 to 1.
        radius: radius of the windows in pixels.
        epsilon: variance of the guide below which a window counts as flat.
    """
    side = 2 * radius + 1
    target, image = alpha.astype(np.float64), guide.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        averaged: np.ndarray = ndimage.uniform_filter(values, side, mode="nearest")
        return averaged

    mean_image, mean_target = mean(image), mean(target)
    slope = (mean(image * target) - mean_image * mean_target) / (mean(image * image) - mean_image**2 + epsilon)
    return np.asarray(np.clip(mean(slope) * image + mean(mean_target - slope * mean_image), 0, 1), np.float32)
