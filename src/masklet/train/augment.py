"""Augmentation: one affine view for all frames of a clip, and color jitter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8
from PIL import Image

from masklet.train.config import AugmentConfig
from masklet.types import RgbImage, Size

FILL = (124, 116, 104)
"""Color outside of the image: the mean color of photographs."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Matrix = Float64[np.ndarray, "2 3"]
"""Affine map from (x, y, 1) in the square input of the model to (x, y) in the image."""


@dataclass(frozen=True, kw_only=True)
class View:
    """The part of an image that is cut out: center (x, y) and sides (width, height) in pixels, angles in radians."""

    center: tuple[float, float]
    sides: tuple[float, float]
    angle: float = 0.0
    shear: float = 0.0
    flip: bool = False

    def matrix(self, size: int) -> Matrix:
        """Return the map from a square of ``size`` pixels to the image."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, math.tan(self.shear)], [0.0, 1.0]])
        scale = np.diag([(-1 if self.flip else 1) * self.sides[0] / size, self.sides[1] / size])
        linear = turn @ scale
        offset = np.array(self.center) - linear @ np.array([size / 2, size / 2])
        return np.concatenate([linear, offset[:, None]], axis=1)


def draw_view(
    config: AugmentConfig, size: Size, focus: tuple[float, float], generator: np.random.Generator, *, turn: bool
) -> View:
    """Draw a random view of an image of ``size`` (height, width) with the point ``focus`` (x, y) inside.

    Without ``turn`` the view is neither rotated nor sheared.
    """
    height, width = size
    share = generator.uniform(*config.zoom)
    sides = (width * share, height * share)
    center = [
        generator.uniform(side / 2, length - side / 2) for side, length in zip(sides, (width, height), strict=True)
    ]
    for axis, length in enumerate((width, height)):
        half = sides[axis] / 2
        near = focus[axis] + generator.uniform(-0.7, 0.7) * half
        center[axis] = float(np.clip(near, half, length - half))
    degrees, shear = (config.degrees, config.shear) if turn else (0.0, 0.0)
    return View(
        center=(center[0], center[1]),
        sides=sides,
        angle=math.radians(generator.uniform(-degrees, degrees)),
        shear=math.radians(generator.uniform(-shear, shear)),
        flip=bool(generator.random() < config.flip),
    )


def warp(image: RgbImage, matrix: Matrix, size: int) -> UInt8[np.ndarray, "s s 3"]:
    """Warp an image to a square by bilinear sampling; large images are reduced first to avoid aliasing."""
    source, matrix = _reduced(Image.fromarray(image), matrix)
    warped = source.transform(
        (size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR, fillcolor=FILL
    )
    return np.asarray(warped)


def warp_mask(mask: Bool[np.ndarray, "h w"], matrix: Matrix, size: int) -> Bool[np.ndarray, "s s"]:
    """Warp a mask to a square; a pixel is inside where at least half of it is covered."""
    return warp_alpha(mask.astype(np.uint8) * 255, matrix, size) > 127


def warp_alpha(alpha: UInt8[np.ndarray, "h w"], matrix: Matrix, size: int) -> UInt8[np.ndarray, "s s"]:
    """Warp coverage (0 to 255) to a square; outside of the image it is 0."""
    source, matrix = _reduced(Image.fromarray(alpha), matrix)
    warped = source.transform((size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR)
    return np.asarray(warped)


def _reduced(image: Image.Image, matrix: Matrix) -> tuple[Image.Image, Matrix]:
    factor = int(math.sqrt(abs(np.linalg.det(matrix[:, :2]))) + 1e-6)
    if factor < 2:
        return image, matrix
    return image.reduce(factor), matrix / factor


def color_jitter(
    frames: UInt8[np.ndarray, "t s s2 3"], config: AugmentConfig, generator: np.random.Generator
) -> UInt8[np.ndarray, "t s s2 3"]:
    """Jitter brightness, contrast and saturation of a clip, and less of each frame; turn some clips gray."""
    clip_factors = _draw_factors(config.color, generator)
    gray = bool(generator.random() < config.gray)
    jittered = np.empty_like(frames)
    for index, frame in enumerate(frames):
        own = _draw_factors(config.frame_color, generator) if len(frames) > 1 else np.ones(3, np.float32)
        jittered[index] = _adjust(frame, clip_factors * own, gray=gray)
    return jittered


def _draw_factors(spread: tuple[float, float, float], generator: np.random.Generator) -> Float32[np.ndarray, "3"]:
    factors: Float32[np.ndarray, "3"] = (1 + generator.uniform(-1, 1, 3) * np.array(spread)).astype(np.float32)
    return factors


def _adjust(
    frame: UInt8[np.ndarray, "s s2 3"], factors: Float32[np.ndarray, "3"], *, gray: bool
) -> UInt8[np.ndarray, "s s2 3"]:
    brightness, contrast, saturation = factors
    values = frame.astype(np.float32)
    luma = values @ LUMA
    mean = luma.mean()
    if gray:
        values = np.repeat(luma[..., None], 3, axis=2)
    elif saturation != 1:
        values = luma[..., None] + (values - luma[..., None]) * saturation
    values = ((values - mean) * contrast + mean) * brightness
    adjusted: UInt8[np.ndarray, "s s2 3"] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return adjusted
