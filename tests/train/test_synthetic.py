"""Synthetic clips from images."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from masklet.io.datasets import ImageSample, InstanceMask
from masklet.train.clip_sampler import ClipSampler
from masklet.train.config import AugmentConfig, DataConfig
from masklet.train.synthetic import SyntheticClips
from masklet.types import RgbImage, Rle


class InMemory(ImageSample):
    """A noisy image with two blocks."""

    def __init__(self, *, name: str, seed: int) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "seed", seed)

    def pixels(self) -> RgbImage:
        return np.random.default_rng(self.seed).integers(0, 255, (60, 80, 3), np.uint8)  # type: ignore[attr-defined]

    def instances(self) -> tuple[InstanceMask, ...]:
        masks = np.zeros((2, 60, 80), bool)
        masks[0, 5:30, 5:40] = True
        masks[1, 35:55, 30:70] = True
        return tuple(InstanceMask(Rle.from_mask(mask)) for mask in masks)


def images_of(seed: int) -> list[InMemory]:
    return [InMemory(name=str(i), seed=seed + i) for i in range(3)]


@given(seed=st.integers(0, 200))
def test_synthetic_clips_start_with_objects_of_a_usable_size(seed: int) -> None:
    synthetic = SyntheticClips(ClipSampler(DataConfig(image_size=64, frames=5), AugmentConfig()), images_of(seed))
    clip = synthetic.sample(np.random.default_rng(seed))
    if clip is None:
        return
    assert clip.frames.shape == (5, 64, 64, 3)
    assert 1 <= clip.masks.shape[1] <= 3
    assert all(synthetic.sampler.has_usable_size(mask) for mask in clip.masks[0])


def test_synthetic_clips_show_objects_that_leave_and_come_back() -> None:
    synthetic = SyntheticClips(ClipSampler(DataConfig(image_size=64, frames=6), AugmentConfig()), images_of(0))
    clips = [clip for seed in range(60) if (clip := synthetic.sample(np.random.default_rng(seed))) is not None]
    present = np.concatenate([clip.masks.any((2, 3)).T for clip in clips])
    assert len(clips) > 40
    assert 0.02 < (~present).mean() < 0.4
    assert any((~row[1:-1]).any() and row[-1] for row in present)
