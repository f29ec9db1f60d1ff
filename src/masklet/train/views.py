"""Looking at pictures through affine maps, the geometry of augmentation: a view maps the square to the picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, UInt8
from PIL import Image

from masklet.train.config import AugmentConfig
from masklet.types import RgbImage, Size

FILL = (124, 116, 104)
"""What lies outside of a picture: the mean color of photographs."""

Matrix = Float64[np.ndarray, "2 3"]


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a view looks: center (x, y) and sides (width, height) in pixels of the picture, angles in radians."""

    center: tuple[float, float]
    sides: tuple[float, float]
    angle: float = 0.0
    shear: float = 0.0
    flip: bool = False

    def matrix(self, size: int) -> Matrix:
        """From (x, y, 1) of a square of ``size`` pixels to the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        turn = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1.0, math.tan(self.shear)], [0.0, 1.0]])
        scale = np.diag([(-1 if self.flip else 1) * self.sides[0] / size, self.sides[1] / size])
        linear = turn @ scale
        offset = np.array(self.center) - linear @ np.array([size / 2, size / 2])
        return np.concatenate([linear, offset[:, None]], axis=1)


def draw_pose(
    config: AugmentConfig, size: Size, focus: tuple[float, float] | None, generator: np.random.Generator, *, turn: bool
) -> Pose:
    """A cut-out of a picture of ``size`` (height, width).

    Args:
        config: how much of everything.
        size: of the picture.
        focus: a point that should be inside, or None.
        generator: what is drawn from.
        turn: rotate and shear too.
    """
    height, width = size
    share = generator.uniform(*config.zoom)
    sides = (width * share, height * share)
    center = [
        generator.uniform(side / 2, length - side / 2) for side, length in zip(sides, (width, height), strict=True)
    ]
    if focus is not None:
        for axis, length in enumerate((width, height)):
            half = sides[axis] / 2
            near = focus[axis] + generator.uniform(-0.7, 0.7) * half
            center[axis] = float(np.clip(near, half, length - half))
    degrees, shear = (config.degrees, config.shear) if turn else (0.0, 0.0)
    return Pose(
        center=(center[0], center[1]),
        sides=sides,
        angle=math.radians(generator.uniform(-degrees, degrees)),
        shear=math.radians(generator.uniform(-shear, shear)),
        flip=bool(generator.random() < config.flip),
    )


def view(picture: RgbImage, matrix: Matrix, size: int) -> UInt8[np.ndarray, "s s 3"]:
    """A picture through a view, bilinear; large pictures are shrunk first, so that nothing flickers."""
    image, matrix = _shrunk(Image.fromarray(picture), matrix)
    seen = image.transform(
        (size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR, fillcolor=FILL
    )
    return np.asarray(seen)


def view_mask(mask: Bool[np.ndarray, "h w"], matrix: Matrix, size: int) -> Bool[np.ndarray, "s s"]:
    """A mask through a view: inside where at least half is."""
    return view_alpha(mask.astype(np.uint8) * 255, matrix, size) > 127


def view_alpha(alpha: UInt8[np.ndarray, "h w"], matrix: Matrix, size: int) -> UInt8[np.ndarray, "s s"]:
    """How much of each pixel is covered, 0 to 255."""
    image, matrix = _shrunk(Image.fromarray(alpha), matrix)
    seen = image.transform((size, size), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR)
    return np.asarray(seen)


def _shrunk(image: Image.Image, matrix: Matrix) -> tuple[Image.Image, Matrix]:
    factor = int(math.sqrt(abs(np.linalg.det(matrix[:, :2]))) + 1e-6)
    if factor < 2:
        return image, matrix
    return image.reduce(factor), matrix / factor
