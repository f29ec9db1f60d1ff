"""Batches by number: shares of images, broken samples, and objects of several clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.io.datasets import ImageSample, InstanceMask
from masklet.train.batch import Clip, TrainBatch
from masklet.train.config import PromptConfig, TrainConfig
from masklet.train.mixture import Mixture, TrainData
from masklet.train.prompts import draw_plan
from masklet.types import RgbImage


class Broken(ImageSample):
    """A image that cannot be read."""

    def pixels(self) -> RgbImage:
        raise FormatError(f"{self.name}: cannot be read")

    def instances(self) -> tuple[InstanceMask, ...]:
        raise FormatError(f"{self.name}: cannot be read")


def test_batch_number_k_is_always_the_same(data: TrainData, config: TrainConfig) -> None:
    mixed = replace(config, data=replace(config.data, image_share=0.5, synthetic=0.5))
    one, two = (Mixture(mixed, data) for _ in range(2))
    for number in (3, 0, 7):
        first, second = one[number], two[number]
        assert np.array_equal(first.pixels, second.pixels)
        assert np.array_equal(first.plan.corrections, second.plan.corrections)
    kinds = {one[number].num_frames for number in range(12)}
    assert kinds == {1, 4}  # images and clips, never mixed


def test_batches_are_drawn_in_proportion_to_the_sizes_of_the_sets(data: TrainData, config: TrainConfig) -> None:
    free = replace(config, data=replace(config.data, image_share=None))
    assert Mixture(free, data).image_share == pytest.approx(4 / 5)
    assert Mixture(free, TrainData((), data.videos)).image_share == 0


def test_broken_samples_are_skipped_and_counted(
    data: TrainData, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = Broken(name="torn")
    mixture = Mixture(
        replace(config, data=replace(config.data, image_share=1.0)), TrainData([broken, *data.images], ())
    )
    skipped = [line for number in range(20) for line in mixture[number].skipped]
    assert skipped
    assert set(skipped) == {"torn: cannot be read"}


def test_data_without_objects_are_refused(data: TrainData, config: TrainConfig) -> None:
    with pytest.raises(FormatError):
        Mixture(config, TrainData((), ()))
    with pytest.raises(FormatError):
        Mixture(replace(config, data=replace(config.data, synthetic=0.5)), TrainData((), data.videos))
    hidden = Mixture(replace(config, data=replace(config.data, image_share=1.0)), TrainData([Broken(name="torn")], ()))
    with pytest.raises(FormatError, match="torn"):
        hidden[0]


def test_clips_of_a_batch_keep_their_objects_apart() -> None:
    clips = [Clip(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, n, 8, 8), bool)) for n in (1, 3)]
    batch = TrainBatch.collate(clips, draw_plan(PromptConfig(), 2, 4, np.random.default_rng(0)))
    assert batch.pixels.shape == (2, 2, 3, 8, 8)
    assert batch.masks.shape == (2, 4, 8, 8)
    assert batch.owner.tolist() == [0, 1, 1, 1]
