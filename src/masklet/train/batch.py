"""Training data: clips as arrays, and batches of clips as tensors with a prompt plan. An image is a 1-frame clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from masklet.train.prompts import PromptPlan


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames of a video at the input size of the model, with the masks of some objects.

    Attributes:
        frames: RGB.
        masks: masks of each object on each frame; empty where the object is hidden or outside the frame.
    """

    frames: UInt8[np.ndarray, "t s s 3"]
    masks: Bool[np.ndarray, "t n s s"]


@dataclass(frozen=True, eq=False)
class TrainBatch:
    """Clips of equal length, and how their objects are prompted.

    Attributes:
        pixels: RGB, 0 to 255.
        masks: masks of the objects of all clips.
        owner: index of the clip that each object belongs to.
        plan: the prompts.
        skipped: why samples were skipped, one line each.
    """

    pixels: UInt8[Tensor, "t b 3 s s"]
    masks: Bool[Tensor, "t n s s"]
    owner: Int[Tensor, " n"]
    plan: PromptPlan
    skipped: tuple[str, ...] = ()

    @classmethod
    def collate(cls, clips: Sequence[Clip], plan: PromptPlan, skipped: Sequence[str] = ()) -> TrainBatch:
        """Stack clips of equal length and size."""
        pixels = rearrange(np.stack([clip.frames for clip in clips]), "b t h w c -> t b c h w")
        masks = np.concatenate([clip.masks for clip in clips], axis=1)
        owner = np.repeat(np.arange(len(clips)), [clip.masks.shape[1] for clip in clips])
        parts = [torch.from_numpy(np.ascontiguousarray(part)) for part in (pixels, masks, owner)]
        return cls(parts[0], parts[1], parts[2], plan, tuple(skipped))

    @property
    def num_frames(self) -> int:
        """Frames of each clip."""
        return len(self.pixels)

    def to(self, device: torch.device) -> TrainBatch:
        """Move the tensors to a device."""
        pixels, masks, owner = (part.to(device, non_blocking=True) for part in (self.pixels, self.masks, self.owner))
        return replace(self, pixels=pixels, masks=masks, owner=owner)
