"""Clip sampling: choose frames and objects of annotated images and videos, and warp them to the input of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from masklet.errors import FormatError
from masklet.io.datasets import ImageSample, InstanceMask, VideoSequence
from masklet.masks.rle import decode_masks
from masklet.train.augment import color_jitter, draw_view, warp, warp_mask
from masklet.train.batch import Clip
from masklet.train.config import AugmentConfig, DataConfig

SPARE = 2
"""Factor by which more masks are decoded than needed, since some fall outside the view."""


@dataclass(frozen=True)
class ClipSampler:
    """Samples clips with the settings of a run."""

    data: DataConfig
    augment: AugmentConfig

    def from_image(self, sample: ImageSample, generator: np.random.Generator) -> Clip | None:
        """Sample a view of an image with some of its objects; None if no object is in view.

        Raises:
            FormatError: the masks differ in size from the image.
        """
        instances = usable_instances(sample.instances(), self.data)
        if not instances:
            return None
        image = sample.pixels()
        limit = self.data.image_masks
        picked = generator.permutation(len(instances))[: SPARE * limit]
        masks = decode_masks([instances[i].rle for i in picked])
        if masks.shape[1:] != image.shape[:2]:
            raise FormatError(
                f"{sample.name}: expected masks of the image's size {image.shape[:2]}, got {masks.shape[1:]}"
            )
        view = draw_view(self.augment, masks.shape[1:], centroid(masks[0]), generator, turn=False)
        matrix = view.matrix(self.data.image_size)
        warped = np.stack([warp_mask(mask, matrix, self.data.image_size) for mask in masks])
        in_view = [i for i, mask in enumerate(warped) if self.has_usable_size(mask)][:limit]
        if not in_view:
            return None
        frame = warp(image, matrix, self.data.image_size)
        return Clip(color_jitter(frame[None], self.augment, generator), warped[None, in_view])

    def from_video(self, sequence: VideoSequence, generator: np.random.Generator) -> Clip | None:
        """Sample frames of a video with some of the objects visible on the first of them; None if there are none."""
        frames = self._frames(sequence.annotated, generator)
        truths = [sequence.truth(i) for i in frames]
        visible = [i for i, mask in zip(truths[0].object_ids, truths[0].masks, strict=True) if mask.any()]
        visible = [i for i in visible if all(i not in truth.unknown for truth in truths)]
        if not visible:
            return None
        ids = [visible[i] for i in generator.permutation(len(visible))[: self.data.clip_masks]]
        view = draw_view(self.augment, truths[0].size, centroid(truths[0][ids[0]]), generator, turn=True)
        matrix, size = view.matrix(self.data.image_size), self.data.image_size
        masks = np.stack([[warp_mask(truth[i], matrix, size) for i in ids] for truth in truths])
        in_view = [n for n in range(len(ids)) if self.has_usable_size(masks[0, n])]
        if not in_view:
            return None
        with sequence.open() as source:
            pixels = np.stack([warp(source[i], matrix, size) for i in frames])
        return Clip(color_jitter(pixels, self.augment, generator), masks[:, in_view])

    def _frames(self, annotated: Sequence[int], generator: np.random.Generator) -> list[int]:
        """Choose evenly spaced annotated frames, maybe in reverse; the last frame of a short video is repeated."""
        count = self.data.frames
        low, high = self.data.strides
        longest = max((len(annotated) - 1) // max(count - 1, 1), 1)
        stride = int(generator.integers(min(low, longest), min(high, longest) + 1))
        start = int(generator.integers(0, max(len(annotated) - stride * (count - 1), 1)))
        places = [min(start + stride * i, len(annotated) - 1) for i in range(count)]
        if generator.random() < self.data.reverse:
            places.reverse()
        return [annotated[i] for i in places]

    def has_usable_size(self, mask: Bool[np.ndarray, "s s"]) -> bool:
        """Check that a warped mask is neither too small to click on nor almost the whole image."""
        return bool(self.data.min_area <= np.count_nonzero(mask) <= self.data.max_share * mask.size)


def usable_instances(instances: Sequence[InstanceMask], data: DataConfig) -> list[InstanceMask]:
    """Select the masks of single objects (no crowds) of a usable size."""
    share = data.max_share
    return [i for i in instances if not i.crowd and 4 <= i.area <= share * i.rle.size[0] * i.rle.size[1]]


def centroid(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """Return the mean (x, y) of the pixels of a mask."""
    y, x = np.nonzero(mask)
    return float(x.mean()), float(y.mean())
