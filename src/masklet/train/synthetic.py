"""Clips made from stills: a camera that moves over one picture, and things cut out of others that move before it.

So memory and presence are learned without video labels: things cross, hide each other, leave and come back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter

from masklet.io.datasets import ImageSample
from masklet.masks.rle import decode_masks
from masklet.train.batch import Clip
from masklet.train.colors import jitter
from masklet.train.samples import Cutter, center_of, usable
from masklet.train.views import Matrix, Pose, draw_pose, view, view_alpha, view_mask
from masklet.types import RgbImage

MAX_CUTOUTS = 3


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing without its surroundings."""

    pixels: RgbImage
    alpha: UInt8[np.ndarray, "h w"]


@dataclass(frozen=True)
class Drift:
    """A number that changes smoothly: a steady part and a swing."""

    start: float
    speed: float
    swing: float
    pace: float
    phase: float

    def at(self, time: float) -> float:
        """Its value at a time in [0, 1]."""
        return self.start + self.speed * time + self.swing * math.sin(self.pace * time + self.phase)


def draw_drift(start: float, speed: float, swing: float, generator: np.random.Generator) -> Drift:
    """Around ``start``, at most so fast and swinging so far."""
    return Drift(
        start=start,
        speed=generator.uniform(-speed, speed),
        swing=generator.uniform(0, swing),
        pace=generator.uniform(2, 9),
        phase=generator.uniform(0, 2 * math.pi),
    )


class Stage:
    """Sets a clip: a background with its own objects, cut-outs before it, all on paths of their own."""

    def __init__(self, cutter: Cutter, stills: Sequence[ImageSample]) -> None:
        self.cutter, self.stills = cutter, stills
        self.size, self.frames = cutter.data.image_size, cutter.data.frames

    def clip(self, generator: np.random.Generator) -> Clip | None:
        """A clip; None where nothing fit to point at came up on its first frame."""
        backdrop = self._pick(generator)
        instances = usable(backdrop.instances(), self.cutter.data)
        if not instances:
            return None
        picked = generator.permutation(len(instances))[: self.cutter.data.clip_masks]
        own = decode_masks([instances[i].rle for i in picked])
        pixels = backdrop.picture()
        camera = self._camera(pixels, center_of(own[0]), generator)
        frames = [view(pixels, matrix, self.size) for matrix in camera]
        masks = [[view_mask(mask, matrix, self.size) for mask in own] for matrix in camera]
        for cutout, path in self._cast(generator):
            self._paste(cutout, path, frames, masks)
        return self._finish(np.stack(frames), np.array(masks), generator)

    def _finish(
        self, frames: UInt8[np.ndarray, "t s s 3"], masks: Bool[np.ndarray, "t n s s"], generator: np.random.Generator
    ) -> Clip | None:
        """Some of the objects of the first frame, those pasted last first, for they hide the others."""
        if generator.random() < self.cutter.data.reverse:
            frames, masks = frames[::-1], masks[::-1]
        kept = [n for n in range(masks.shape[1]) if self.cutter.fits(masks[0, n])]
        if not kept:
            return None
        kept = [kept[i] for i in generator.permutation(len(kept))[: self.cutter.data.clip_masks]]
        frames = _blurred(frames, generator)
        return Clip(jitter(frames, self.cutter.augment, generator), np.ascontiguousarray(masks[:, kept]))

    def _camera(self, pixels: RgbImage, focus: tuple[float, float], generator: np.random.Generator) -> list[Matrix]:
        size = (pixels.shape[0], pixels.shape[1])
        pose = draw_pose(self.cutter.augment, size, focus, generator, turn=True)
        shaky = replace(pose, angle=pose.angle / 2, shear=pose.shear / 2)
        restless = generator.choice([0.03, 0.15, 0.4])
        return self._path(shaky, restless, generator)

    def _path(self, pose: Pose, restless: float, generator: np.random.Generator) -> list[Matrix]:
        """Views that wander off from a pose by a share of its size."""
        x, y = (
            draw_drift(c, restless * side, restless * side / 3, generator)
            for c, side in zip(pose.center, pose.sides, strict=True)
        )
        zoom = draw_drift(0, 0.6 * restless, 0.3 * restless, generator)
        narrow = draw_drift(0, 0.3 * restless, 0.2 * restless, generator)
        angle = draw_drift(pose.angle, restless, restless / 3, generator)
        shear = draw_drift(pose.shear, restless / 3, restless / 4, generator)
        times = np.linspace(0, 1, self.frames)
        return [
            replace(
                pose,
                center=(x.at(t), y.at(t)),
                sides=(pose.sides[0] * math.exp(zoom.at(t) + narrow.at(t)), pose.sides[1] * math.exp(zoom.at(t))),
                angle=angle.at(t),
                shear=shear.at(t),
            ).matrix(self.size)
            for t in times
        ]

    def _cast(self, generator: np.random.Generator) -> list[tuple[Cutout, list[Matrix]]]:
        """Things with their paths; sometimes the same thing twice, to be told apart."""
        cast: list[tuple[Cutout, list[Matrix]]] = []
        for _ in range(int(generator.integers(0, MAX_CUTOUTS + 1))):
            twin = bool(cast) and generator.random() < 0.4
            cutout = cast[-1][0] if twin else self._cutout(generator)
            if cutout is not None:
                cast.append((cutout, self._walk(cutout, generator)))
        return cast

    def _cutout(self, generator: np.random.Generator) -> Cutout | None:
        sample = self._pick(generator)
        instances = [i for i in usable(sample.instances(), self.cutter.data) if i.area >= 200]
        if not instances:
            return None
        mask = decode_masks([instances[int(generator.integers(len(instances)))].rle])[0]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pixels = np.pad(sample.picture()[part], ((2, 2), (2, 2), (0, 0)), mode="edge")
        alpha = Image.fromarray(np.pad(mask[part].astype(np.uint8) * 255, 2)).filter(ImageFilter.GaussianBlur(0.7))
        return Cutout(pixels, np.asarray(alpha))

    def _walk(self, cutout: Cutout, generator: np.random.Generator) -> list[Matrix]:
        """A path on which the thing covers a share of the picture and may leave it."""
        height, width = cutout.alpha.shape
        share = math.exp(generator.uniform(math.log(0.12), math.log(0.7)))
        side = max(height, width) / share
        # The view's center seen from the cut-out: an offset moves the thing the other way.
        x, y = (length / 2 + generator.uniform(-0.5, 0.5) * side for length in (width, height))
        pose = Pose(
            center=(float(x), float(y)),
            sides=(side, side),
            angle=generator.uniform(-0.5, 0.5),
            flip=bool(generator.random() < 0.5),
        )
        return self._path(pose, float(generator.choice([0.1, 0.4, 1.0, 1.6])), generator)

    def _paste(
        self,
        cutout: Cutout,
        path: Sequence[Matrix],
        frames: list[UInt8[np.ndarray, "s s 3"]],
        masks: list[list[Bool[np.ndarray, "s s"]]],
    ) -> None:
        for index, matrix in enumerate(path):
            alpha = view_alpha(cutout.alpha, matrix, self.size)
            covered = alpha > 127
            if alpha.any():
                weight = alpha[..., None].astype(np.uint16)
                front = view(cutout.pixels, matrix, self.size)
                frames[index] = ((front * weight + frames[index] * (255 - weight)) // 255).astype(np.uint8)
                masks[index] = [mask & ~covered for mask in masks[index]]
            masks[index].append(covered)

    def _pick(self, generator: np.random.Generator) -> ImageSample:
        return self.stills[int(generator.integers(len(self.stills)))]


def _blurred(frames: UInt8[np.ndarray, "t s s 3"], generator: np.random.Generator) -> UInt8[np.ndarray, "t s s 3"]:
    """Some clips out of focus."""
    if generator.random() > 0.15:
        return frames
    radius = ImageFilter.GaussianBlur(generator.uniform(0.3, 1.2))
    return np.stack([np.asarray(Image.fromarray(frame).filter(radius)) for frame in frames])
