"""Clips from annotated images and videos: choice of frames and objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masklet.train.clip_sampler import ClipSampler
from masklet.train.config import AugmentConfig, DataConfig
from masklet.train.mixture import TrainData

NO_AUGMENTATION = AugmentConfig(flip=0, degrees=0, shear=0, zoom=(1, 1), color=(0, 0, 0), frame_color=(0, 0, 0), gray=0)


@pytest.fixture
def sampler() -> ClipSampler:
    return ClipSampler(DataConfig(image_size=64, image_masks=4, frames=4, reverse=0.0), NO_AUGMENTATION)


def test_an_image_comes_with_its_masks(
    data: TrainData, sampler: ClipSampler, square: tuple[np.ndarray, np.ndarray]
) -> None:
    clip = sampler.from_image(data.images[0], np.random.default_rng(0))
    assert clip is not None
    assert clip.frames.shape == (1, 64, 64, 3)
    assert sorted(clip.masks[0].sum((1, 2)).tolist()) == [24 * 24, 64 * 32]
    assert any(np.array_equal(mask, square[1][0]) for mask in clip.masks[0])


def test_a_video_gives_evenly_spaced_frames_in_one_view(
    data: TrainData, sampler: ClipSampler, square: tuple[np.ndarray, np.ndarray]
) -> None:
    spaced = ClipSampler(replace(sampler.data, strides=(2, 2)), NO_AUGMENTATION)
    starts = set()
    for seed in range(10):
        clip = spaced.from_video(data.videos[0], np.random.default_rng(seed))
        assert clip is not None
        start = next(i for i in range(8) if np.array_equal(square[1][i], clip.masks[0, 0]))
        assert np.array_equal(clip.masks[:, 0], square[1][start : start + 7 : 2])
        starts.add(start)
    assert starts == {0, 1}


def test_a_clip_may_be_reversed_and_a_short_video_repeats_its_last_frame(data: TrainData, sampler: ClipSampler) -> None:
    backward = ClipSampler(replace(sampler.data, frames=12, reverse=1.0), NO_AUGMENTATION)
    clip = backward.from_video(data.videos[0], np.random.default_rng(0))
    assert clip is not None
    left = [int(np.flatnonzero(mask[0].any(0))[0]) for mask in clip.masks]
    assert left == [22, 22, 22, 22, 22, 20, 18, 16, 14, 12, 10, 8]
