"""Soft edges: from masks to alpha, for compositing and for tools that find fine detail themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy import ndimage

from masklet.masks.boundary import bounding_window

UNKNOWN = 128
"""What a trimap holds where it does not say."""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """How the edge of a mask becomes alpha; all widths in pixels.

    Attributes:
        soften: half the width of the ramp from outside to inside; 0 keeps the edge hard.
        detail: how far from the edge alpha follows the picture (hair, leaves); 0 does not look at it.
        trimap: half the width of the band that is left open (alpha one half) for a matting tool; instead of the others.
    """

    soften: float = 0.0
    detail: int = 0
    trimap: int = 0


Gray = Float32[np.ndarray, "h w"]


def alpha_of(mask: Bool[np.ndarray, "h w"], edge: Edge, picture: UInt8[np.ndarray, "h w 3"] | None = None) -> Gray:
    """Alpha of a mask, 0 to 1; ``picture`` is needed for detail only.

    Only the window about the mask is worked on, so that small objects cost little.
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
    if edge.detail and picture is not None:
        soft = guided(soft, picture[window].mean(axis=2, dtype=np.float32) / 255, edge.detail)
    alpha[window] = soft
    return alpha


def softened(mask: Bool[np.ndarray, "h w"], width: float) -> Gray:
    """A ramp across the edge of a mask: one half on the edge, 0 and 1 from ``width`` pixels outside and inside on.

    The border of the picture is no edge.
    """
    if width <= 0 or not mask.any() or mask.all():
        return mask.astype(np.float32)
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    across = np.clip((signed - np.sign(signed) / 2) / (2 * width) + 0.5, 0, 1)  # the edge lies between two pixels
    return np.asarray(across * across * (3 - 2 * across), np.float32)


def trimap(mask: Bool[np.ndarray, "h w"], width: int) -> UInt8[np.ndarray, "h w"]:
    """255 surely inside, 0 surely outside, `UNKNOWN` in the band of ``width`` pixels to either side of the edge."""
    near = ndimage.distance_transform_edt(mask) if not mask.all() else np.full(mask.shape, np.inf)
    far = ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.inf)
    values = np.where(mask, np.uint8(255), np.uint8(0))
    values[np.where(mask, near, far) <= width] = UNKNOWN
    return values


def guided(alpha: Gray, guide: Gray, radius: int, *, epsilon: float = 1e-4) -> Gray:
    """Alpha that follows the edges of a gray picture near by (guided filter; He, Sun and Tang 2013, section 3).

    Args:
        alpha: 0 to 1.
        guide: the picture, 0 to 1.
        radius: of the windows, in pixels.
        epsilon: variance of the guide below which it is taken for flat.
    """
    side = 2 * radius + 1
    wide, lead = alpha.astype(np.float64), guide.astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        averaged: np.ndarray = ndimage.uniform_filter(values, side, mode="nearest")
        return averaged

    mean_lead, mean_wide = mean(lead), mean(wide)
    slope = (mean(lead * wide) - mean_lead * mean_wide) / (mean(lead * lead) - mean_lead**2 + epsilon)
    return np.asarray(np.clip(mean(slope) * lead + mean(mean_wide - slope * mean_lead), 0, 1), np.float32)
