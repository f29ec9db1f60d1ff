"""Clips cut out of annotated pictures and videos: which frames, which objects, one view for all frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from masklet.errors import FormatError
from masklet.io.datasets import ImageSample, InstanceMask, VideoSequence
from masklet.masks.rle import decode_masks
from masklet.train.batch import Clip
from masklet.train.colors import jitter
from masklet.train.config import AugmentConfig, DataConfig
from masklet.train.views import draw_pose, view, view_mask

SPARE = 2
"""So many times more masks are decoded than are wanted: some fall outside of the view."""


@dataclass(frozen=True)
class Cutter:
    """Cuts clips for one run."""

    data: DataConfig
    augment: AugmentConfig

    def picture(self, sample: ImageSample, generator: np.random.Generator) -> Clip | None:
        """A view of a picture with some of its objects; None where no object is left."""
        instances = usable(sample.instances(), self.data)
        if not instances:
            return None
        pixels = sample.picture()
        limit = self.data.image_masks
        picked = generator.permutation(len(instances))[: SPARE * limit]
        masks = decode_masks([instances[i].rle for i in picked])
        if masks.shape[1:] != pixels.shape[:2]:
            raise FormatError(
                f"{sample.name}: expected masks of {pixels.shape[:2]} as the picture, got {masks.shape[1:]}"
            )
        pose = draw_pose(self.augment, masks.shape[1:], center_of(masks[0]), generator, turn=False)
        matrix = pose.matrix(self.data.image_size)
        seen = np.stack([view_mask(mask, matrix, self.data.image_size) for mask in masks])
        kept = [i for i, mask in enumerate(seen) if self.fits(mask)][:limit]
        if not kept:
            return None
        frame = view(pixels, matrix, self.data.image_size)
        return Clip(jitter(frame[None], self.augment, generator), seen[None, kept])

    def video(self, sequence: VideoSequence, generator: np.random.Generator) -> Clip | None:
        """Some frames of a video with some of the objects that the first of them shows."""
        frames = self._frames(sequence.annotated, generator)
        truths = [sequence.truth(i) for i in frames]
        shown = [i for i, mask in zip(truths[0].object_ids, truths[0].masks, strict=True) if mask.any()]
        shown = [i for i in shown if all(i not in truth.unknown for truth in truths)]
        if not shown:
            return None
        ids = [shown[i] for i in generator.permutation(len(shown))[: self.data.clip_masks]]
        focus = center_of(truths[0][ids[0]])
        pose = draw_pose(self.augment, truths[0].size, focus, generator, turn=True)
        matrix, size = pose.matrix(self.data.image_size), self.data.image_size
        masks = np.stack([[view_mask(truth[i], matrix, size) for i in ids] for truth in truths])
        kept = [n for n in range(len(ids)) if self.fits(masks[0, n])]
        if not kept:
            return None
        with sequence.open() as source:
            pixels = np.stack([view(source[i], matrix, size) for i in frames])
        return Clip(jitter(pixels, self.augment, generator), masks[:, kept])

    def _frames(self, annotated: Sequence[int], generator: np.random.Generator) -> list[int]:
        """Evenly spaced annotated frames, some backward; a video that is too short stands still at its end."""
        wanted = self.data.frames
        low, high = self.data.strides
        longest = max((len(annotated) - 1) // max(wanted - 1, 1), 1)
        stride = int(generator.integers(min(low, longest), min(high, longest) + 1))
        start = int(generator.integers(0, max(len(annotated) - stride * (wanted - 1), 1)))
        places = [min(start + stride * i, len(annotated) - 1) for i in range(wanted)]
        if generator.random() < self.data.reverse:
            places.reverse()
        return [annotated[i] for i in places]

    def fits(self, mask: Bool[np.ndarray, "s s"]) -> bool:
        """Neither too small to point at nor almost the whole picture."""
        return bool(self.data.min_area <= np.count_nonzero(mask) <= self.data.max_share * mask.size)


def usable(instances: Sequence[InstanceMask], data: DataConfig) -> list[InstanceMask]:
    """Those that show one thing of a sensible size."""
    most = data.max_share
    return [i for i in instances if not i.crowd and 4 <= i.area <= most * i.rle.size[0] * i.rle.size[1]]


def center_of(mask: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """(x, y) of the middle of a mask."""
    y, x = np.nonzero(mask)
    return float(x.mean()), float(y.mean())
