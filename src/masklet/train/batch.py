"""What a training step eats: clips as arrays, and batches of them as tensors. A picture is a clip of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Int, UInt8
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames in the model's square frame with the masks of some objects.

    Attributes:
        frames: RGB.
        masks: of each object on each frame; empty where it is hidden or outside.
    """

    frames: UInt8[np.ndarray, "t s s 3"]
    masks: Bool[np.ndarray, "t n s s"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips of equal length.

    Attributes:
        pixels: RGB, 0 to 255.
        masks: of the objects of all clips.
        owner: which clip each object is of.
    """

    pixels: UInt8[Tensor, "t b 3 s s"]
    masks: Bool[Tensor, "t n s s"]
    owner: Int[Tensor, " n"]

    @property
    def num_frames(self) -> int:
        """Frames of each clip."""
        return len(self.pixels)

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(*(part.to(device, non_blocking=True) for part in (self.pixels, self.masks, self.owner)))


def collate(clips: Sequence[Clip]) -> Batch:
    """Clips as one batch."""
    pixels = rearrange(np.stack([clip.frames for clip in clips]), "b t h w c -> t b c h w")
    masks = np.concatenate([clip.masks for clip in clips], axis=1)
    owner = np.repeat(np.arange(len(clips)), [clip.masks.shape[1] for clip in clips])
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in (pixels, masks, owner)))
