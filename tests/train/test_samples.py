"""Cutting clips out of data: geometry, choice of frames and objects, colors, synthetic clips, batches by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.errors import FormatError
from masklet.train.batch import Clip, collate
from masklet.train.colors import jitter
from masklet.train.config import AugmentConfig, DataConfig, TrainConfig
from masklet.train.loop import TrainData
from masklet.train.mixture import Mixture
from masklet.train.samples import Cutter
from masklet.train.synthetic import Stage
from masklet.train.views import Pose, draw_pose, view, view_mask

STILL = AugmentConfig(flip=0, degrees=0, shear=0, zoom=(1, 1), color=(0, 0, 0), frame_color=(0, 0, 0), gray=0)


def test_a_view_of_the_whole_picture_is_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    matrix = Pose(center=(16, 16), sides=(32, 32)).matrix(32)
    assert np.array_equal(view(picture, matrix, 32), picture)
    flipped = Pose(center=(16, 16), sides=(32, 32), flip=True).matrix(32)
    assert np.array_equal(view(picture, flipped, 32), picture[:, ::-1])


def test_a_view_stretches_turns_and_cuts() -> None:
    mask = np.zeros((20, 40), bool)
    mask[:10, :20] = True  # the top-left quarter
    whole = view_mask(mask, Pose(center=(20, 10), sides=(40, 20)).matrix(16), 16)
    assert np.array_equal(whole, np.pad(np.ones((8, 8), bool), ((0, 8), (0, 8))))
    turned = view_mask(mask, Pose(center=(20, 10), sides=(40, 20), angle=np.pi).matrix(16), 16)
    assert np.array_equal(turned, whole[::-1, ::-1])
    assert view_mask(mask, Pose(center=(10, 5), sides=(20, 10)).matrix(16), 16).all()


@given(seed=st.integers(0, 1000))
def test_a_cut_out_stays_in_the_picture_and_near_its_focus(seed: int) -> None:
    config = AugmentConfig(zoom=(0.3, 0.9))
    pose = draw_pose(config, (100, 200), (190.0, 5.0), np.random.default_rng(seed), turn=False)
    for center, side, length, focus in zip(pose.center, pose.sides, (200, 100), (190, 5), strict=True):
        assert side / 2 <= center <= length - side / 2
        assert abs(center - focus) <= side / 2 + 1e-6


def test_a_large_picture_is_shrunk_before_it_is_sampled() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    seen = view(stripes, Pose(center=(128, 128), sides=(256, 256)).matrix(32), 32)
    assert seen.std() < 2


def test_light_changes_within_its_bounds_and_gray_is_gray() -> None:
    frames = np.full((2, 4, 4, 3), (100, 150, 50), np.uint8)
    generator = np.random.default_rng(0)
    assert np.array_equal(jitter(frames, STILL, generator), frames)
    gray = jitter(frames, replace(STILL, gray=1.0), generator)
    assert np.ptp(gray, axis=3).max() == 0
    brighter = jitter(frames, replace(STILL, color=(0.2, 0, 0)), generator)
    assert np.ptp(brighter, axis=0).max() == 0  # one draw for the clip
    assert 75 <= brighter[0, 0, 0, 0] <= 125


@pytest.fixture
def cutter() -> Cutter:
    return Cutter(DataConfig(image_size=64, image_masks=4, frames=4, reverse=0.0), STILL)


def test_a_picture_comes_with_its_masks(data: TrainData, cutter: Cutter, square: tuple[np.ndarray, np.ndarray]) -> None:
    clip = cutter.picture(data.stills[0], np.random.default_rng(0))
    assert clip is not None
    assert clip.frames.shape == (1, 64, 64, 3)
    assert sorted(clip.masks[0].sum((1, 2)).tolist()) == [24 * 24, 64 * 32]
    assert any(np.array_equal(mask, square[1][0]) for mask in clip.masks[0])


def test_a_video_gives_evenly_spaced_frames_in_one_view(
    data: TrainData, cutter: Cutter, square: tuple[np.ndarray, np.ndarray]
) -> None:
    spaced = Cutter(replace(cutter.data, strides=(2, 2)), STILL)
    starts = set()
    for seed in range(10):
        clip = spaced.video(data.videos[0], np.random.default_rng(seed))
        assert clip is not None
        start = next(i for i in range(8) if np.array_equal(square[1][i], clip.masks[0, 0]))
        assert np.array_equal(clip.masks[:, 0], square[1][start : start + 7 : 2])
        starts.add(start)
    assert starts == {0, 1}


def test_a_clip_may_run_backward_and_a_short_video_stands_still(data: TrainData, cutter: Cutter) -> None:
    backward = Cutter(replace(cutter.data, frames=12, reverse=1.0), STILL)
    clip = backward.video(data.videos[0], np.random.default_rng(0))
    assert clip is not None
    left = [int(np.flatnonzero(mask[0].any(0))[0]) for mask in clip.masks]
    assert left == [22, 22, 22, 22, 22, 20, 18, 16, 14, 12, 10, 8]


@given(seed=st.integers(0, 200))
def test_synthetic_clips_begin_with_objects_that_fit_and_masks_do_not_overlap_pasted_things(seed: int) -> None:
    stage = Stage(Cutter(DataConfig(image_size=64, frames=5), AugmentConfig()), stills_of(seed))
    clip = stage.clip(np.random.default_rng(seed))
    if clip is None:
        return
    assert clip.frames.shape == (5, 64, 64, 3)
    assert 1 <= clip.masks.shape[1] <= 3
    assert all(stage.cutter.fits(mask) for mask in clip.masks[0])


def stills_of(seed: int) -> list[InMemory]:
    return [InMemory(name=str(i), seed=seed + i) for i in range(3)]


def test_synthetic_clips_show_things_that_leave_and_come_back() -> None:
    stage = Stage(Cutter(DataConfig(image_size=64, frames=6), AugmentConfig()), stills_of(0))
    clips = [clip for seed in range(60) if (clip := stage.clip(np.random.default_rng(seed))) is not None]
    present = np.concatenate([clip.masks.any((2, 3)).T for clip in clips])
    assert len(clips) > 40
    assert 0.02 < (~present).mean() < 0.4
    assert any((~row[1:-1]).any() and row[-1] for row in present)


def test_batch_number_k_is_always_the_same(data: TrainData, config: TrainConfig) -> None:
    mixed = replace(config, data=replace(config.data, image_share=0.5, synthetic=0.5))
    one, two = (Mixture(mixed, data.stills, data.videos) for _ in range(2))
    for number in (3, 0, 7):
        first, second = one[number], two[number]
        assert np.array_equal(first.batch.pixels, second.batch.pixels)
        assert np.array_equal(first.plan.corrections, second.plan.corrections)
    kinds = {one[number].batch.num_frames for number in range(12)}
    assert kinds == {1, 4}  # pictures and clips, never mixed


def test_batches_are_drawn_in_proportion_to_the_sizes_of_the_sets(data: TrainData, config: TrainConfig) -> None:
    free = replace(config, data=replace(config.data, image_share=None))
    assert Mixture(free, data.stills, data.videos).image_share == pytest.approx(4 / 5)
    assert Mixture(free, (), data.videos).image_share == 0


def test_broken_samples_are_passed_over_and_counted(
    data: TrainData, config: TrainConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    broken = Broken(name="torn")
    mixture = Mixture(replace(config, data=replace(config.data, image_share=1.0)), [broken, *data.stills], ())
    skipped = [line for number in range(20) for line in mixture[number].skipped]
    assert skipped
    assert set(skipped) == {"torn: cannot be read"}


def test_data_that_show_nothing_are_refused(data: TrainData, config: TrainConfig) -> None:
    with pytest.raises(FormatError, match="expected annotated pictures or videos"):
        Mixture(config, (), ())
    with pytest.raises(FormatError, match="makes clips from pictures"):
        Mixture(replace(config, data=replace(config.data, synthetic=0.5)), (), data.videos)
    hidden = Mixture(replace(config, data=replace(config.data, image_share=1.0)), [Broken(name="torn")], ())
    with pytest.raises(FormatError, match=r"50 samples in a row .* the last problem: torn: cannot be read"):
        hidden[0]


def test_clips_of_a_batch_keep_their_objects_apart() -> None:
    clips = [Clip(np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, n, 8, 8), bool)) for n in (1, 3)]
    batch = collate(clips)
    assert batch.pixels.shape == (2, 2, 3, 8, 8)
    assert batch.masks.shape == (2, 4, 8, 8)
    assert batch.owner.tolist() == [0, 1, 1, 1]


from masklet.io.datasets import ImageSample, InstanceMask  # noqa: E402
from masklet.types import RgbImage, Rle  # noqa: E402


class InMemory(ImageSample):
    """A noisy picture with two blocks."""

    def __init__(self, *, name: str, seed: int) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "seed", seed)

    def picture(self) -> RgbImage:
        return np.random.default_rng(self.seed).integers(0, 255, (60, 80, 3), np.uint8)  # type: ignore[attr-defined]

    def instances(self) -> tuple[InstanceMask, ...]:
        masks = np.zeros((2, 60, 80), bool)
        masks[0, 5:30, 5:40] = True
        masks[1, 35:55, 30:70] = True
        return tuple(InstanceMask(Rle.from_mask(mask)) for mask in masks)


class Broken(ImageSample):
    """A picture that cannot be read."""

    def picture(self) -> RgbImage:
        raise FormatError(f"{self.name}: cannot be read")

    def instances(self) -> tuple[InstanceMask, ...]:
        raise FormatError(f"{self.name}: cannot be read")
