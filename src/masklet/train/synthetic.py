"""Synthetic clips from still images: a camera moves over one image, and objects cut out of others move in front of it.

They train memory and presence without video labels: objects cross, occlude each other, leave and come back.
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
from masklet.train.augment import Matrix, View, color_jitter, draw_view, warp, warp_alpha, warp_mask
from masklet.train.batch import Clip
from masklet.train.clip_sampler import ClipSampler, centroid, usable_instances
from masklet.types import RgbImage

MAX_CUTOUTS = 3


@dataclass(frozen=True, eq=False)
class Cutout:
    """An object without its background; alpha is 0 to 255."""

    pixels: RgbImage
    alpha: UInt8[np.ndarray, "h w"]


@dataclass(frozen=True)
class Drift:
    """A number that changes smoothly over time: linearly, plus a sine."""

    start: float
    speed: float
    amplitude: float
    frequency: float
    phase: float

    def at(self, time: float) -> float:
        """Return the value at a time in [0, 1]."""
        return self.start + self.speed * time + self.amplitude * math.sin(self.frequency * time + self.phase)


def draw_drift(start: float, max_speed: float, max_amplitude: float, generator: np.random.Generator) -> Drift:
    """Draw a drift from ``start`` within the given limits."""
    return Drift(
        start=start,
        speed=generator.uniform(-max_speed, max_speed),
        amplitude=generator.uniform(0, max_amplitude),
        frequency=generator.uniform(2, 9),
        phase=generator.uniform(0, 2 * math.pi),
    )


class SyntheticClips:
    """Composes clips from annotated images: a background with its objects, and cutouts in front, all in motion."""

    def __init__(self, sampler: ClipSampler, images: Sequence[ImageSample]) -> None:
        self.sampler, self.images = sampler, images
        self.size, self.frames = sampler.data.image_size, sampler.data.frames

    def sample(self, generator: np.random.Generator) -> Clip | None:
        """Compose a clip; None if its first frame shows no object of a usable size."""
        background = self._pick(generator)
        instances = usable_instances(background.instances(), self.sampler.data)
        if not instances:
            return None
        picked = generator.permutation(len(instances))[: self.sampler.data.clip_masks]
        own = decode_masks([instances[i].rle for i in picked])
        pixels = background.pixels()
        camera = self._camera_path(pixels, centroid(own[0]), generator)
        frames = [warp(pixels, matrix, self.size) for matrix in camera]
        masks = [[warp_mask(mask, matrix, self.size) for mask in own] for matrix in camera]
        for cutout, path in self._moving_cutouts(generator):
            self._paste(cutout, path, frames, masks)
        return self._finish(np.stack(frames), np.array(masks), generator)

    def _finish(
        self, frames: UInt8[np.ndarray, "t s s 3"], masks: Bool[np.ndarray, "t n s s"], generator: np.random.Generator
    ) -> Clip | None:
        """Maybe reverse and blur the clip, choose some of the objects visible on its first frame, and jitter colors."""
        if generator.random() < self.sampler.data.reverse:
            frames, masks = frames[::-1], masks[::-1]
        visible = [n for n in range(masks.shape[1]) if self.sampler.has_usable_size(masks[0, n])]
        if not visible:
            return None
        chosen = [visible[i] for i in generator.permutation(len(visible))[: self.sampler.data.clip_masks]]
        frames = _maybe_blur(frames, generator)
        return Clip(color_jitter(frames, self.sampler.augment, generator), np.ascontiguousarray(masks[:, chosen]))

    def _camera_path(
        self, pixels: RgbImage, focus: tuple[float, float], generator: np.random.Generator
    ) -> list[Matrix]:
        size = (pixels.shape[0], pixels.shape[1])
        view = draw_view(self.sampler.augment, size, focus, generator, turn=True)
        view = replace(view, angle=view.angle / 2, shear=view.shear / 2)
        motion = generator.choice([0.03, 0.15, 0.4])
        return self._path(view, motion, generator)

    def _path(self, view: View, motion: float, generator: np.random.Generator) -> list[Matrix]:
        """Draw a path of views that starts at a view; ``motion`` is relative to its size."""
        x, y = (
            draw_drift(c, motion * side, motion * side / 3, generator)
            for c, side in zip(view.center, view.sides, strict=True)
        )
        zoom = draw_drift(0, 0.6 * motion, 0.3 * motion, generator)
        aspect = draw_drift(0, 0.3 * motion, 0.2 * motion, generator)
        angle = draw_drift(view.angle, motion, motion / 3, generator)
        shear = draw_drift(view.shear, motion / 3, motion / 4, generator)
        times = np.linspace(0, 1, self.frames)
        return [
            replace(
                view,
                center=(x.at(t), y.at(t)),
                sides=(view.sides[0] * math.exp(zoom.at(t) + aspect.at(t)), view.sides[1] * math.exp(zoom.at(t))),
                angle=angle.at(t),
                shear=shear.at(t),
            ).matrix(self.size)
            for t in times
        ]

    def _moving_cutouts(self, generator: np.random.Generator) -> list[tuple[Cutout, list[Matrix]]]:
        """Draw cutouts and their paths; sometimes the same object twice, so that look-alikes must be told apart."""
        drawn: list[tuple[Cutout, list[Matrix]]] = []
        for _ in range(int(generator.integers(0, MAX_CUTOUTS + 1))):
            twin = bool(drawn) and generator.random() < 0.4
            cutout = drawn[-1][0] if twin else self._cutout(generator)
            if cutout is not None:
                drawn.append((cutout, self._cutout_path(cutout, generator)))
        return drawn

    def _cutout(self, generator: np.random.Generator) -> Cutout | None:
        sample = self._pick(generator)
        instances = [i for i in usable_instances(sample.instances(), self.sampler.data) if i.area >= 200]
        if not instances:
            return None
        mask = decode_masks([instances[int(generator.integers(len(instances)))].rle])[0]
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        pixels = np.pad(sample.pixels()[part], ((2, 2), (2, 2), (0, 0)), mode="edge")
        alpha = Image.fromarray(np.pad(mask[part].astype(np.uint8) * 255, 2)).filter(ImageFilter.GaussianBlur(0.7))
        return Cutout(pixels, np.asarray(alpha))

    def _cutout_path(self, cutout: Cutout, generator: np.random.Generator) -> list[Matrix]:
        """Draw a path on which the object covers 12 to 70 % of the frame's side and may leave the frame."""
        height, width = cutout.alpha.shape
        share = math.exp(generator.uniform(math.log(0.12), math.log(0.7)))
        side = max(height, width) / share
        # The center of the view in pixels of the cutout: an offset moves the object the other way.
        x, y = (length / 2 + generator.uniform(-0.5, 0.5) * side for length in (width, height))
        view = View(
            center=(float(x), float(y)),
            sides=(side, side),
            angle=generator.uniform(-0.5, 0.5),
            flip=bool(generator.random() < 0.5),
        )
        return self._path(view, float(generator.choice([0.1, 0.4, 1.0, 1.6])), generator)

    def _paste(
        self,
        cutout: Cutout,
        path: Sequence[Matrix],
        frames: list[UInt8[np.ndarray, "s s 3"]],
        masks: list[list[Bool[np.ndarray, "s s"]]],
    ) -> None:
        """Draw a cutout into every frame, remove what it covers from the masks, and append its own masks."""
        for index, matrix in enumerate(path):
            alpha = warp_alpha(cutout.alpha, matrix, self.size)
            covered = alpha > 127
            if alpha.any():
                weight = alpha[..., None].astype(np.uint16)
                front = warp(cutout.pixels, matrix, self.size)
                frames[index] = ((front * weight + frames[index] * (255 - weight)) // 255).astype(np.uint8)
                masks[index] = [mask & ~covered for mask in masks[index]]
            masks[index].append(covered)

    def _pick(self, generator: np.random.Generator) -> ImageSample:
        return self.images[int(generator.integers(len(self.images)))]


def _maybe_blur(frames: UInt8[np.ndarray, "t s s 3"], generator: np.random.Generator) -> UInt8[np.ndarray, "t s s 3"]:
    """Blur 15 % of the clips."""
    if generator.random() > 0.15:
        return frames
    radius = ImageFilter.GaussianBlur(generator.uniform(0.3, 1.2))
    return np.stack([np.asarray(Image.fromarray(frame).filter(radius)) for frame in frames])
