"""Affine views and color jitter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from masklet.train.augment import View, color_jitter, draw_view, warp, warp_mask
from masklet.train.config import AugmentConfig

NO_AUGMENTATION = AugmentConfig(flip=0, degrees=0, shear=0, zoom=(1, 1), color=(0, 0, 0), frame_color=(0, 0, 0), gray=0)


def test_a_view_of_the_whole_image_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    matrix = View(center=(16, 16), sides=(32, 32)).matrix(32)
    assert np.array_equal(warp(image, matrix, 32), image)
    flipped = View(center=(16, 16), sides=(32, 32), flip=True).matrix(32)
    assert np.array_equal(warp(image, flipped, 32), image[:, ::-1])


def test_a_view_scales_rotates_and_crops() -> None:
    mask = np.zeros((20, 40), bool)
    mask[:10, :20] = True  # the top-left quarter
    whole = warp_mask(mask, View(center=(20, 10), sides=(40, 20)).matrix(16), 16)
    assert np.array_equal(whole, np.pad(np.ones((8, 8), bool), ((0, 8), (0, 8))))
    turned = warp_mask(mask, View(center=(20, 10), sides=(40, 20), angle=np.pi).matrix(16), 16)
    assert np.array_equal(turned, whole[::-1, ::-1])
    assert warp_mask(mask, View(center=(10, 5), sides=(20, 10)).matrix(16), 16).all()


@given(seed=st.integers(0, 1000))
def test_a_cut_out_stays_in_the_image_and_near_its_focus(seed: int) -> None:
    config = AugmentConfig(zoom=(0.3, 0.9))
    view = draw_view(config, (100, 200), (190.0, 5.0), np.random.default_rng(seed), turn=False)
    for center, side, length, focus in zip(view.center, view.sides, (200, 100), (190, 5), strict=True):
        assert side / 2 <= center <= length - side / 2
        assert abs(center - focus) <= side / 2 + 1e-6


def test_a_large_image_is_reduced_before_it_is_sampled() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    warped = warp(stripes, View(center=(128, 128), sides=(256, 256)).matrix(32), 32)
    assert warped.std() < 2


def test_colors_change_within_their_bounds() -> None:
    frames = np.full((2, 4, 4, 3), (100, 150, 50), np.uint8)
    generator = np.random.default_rng(0)
    assert np.array_equal(color_jitter(frames, NO_AUGMENTATION, generator), frames)
    gray = color_jitter(frames, replace(NO_AUGMENTATION, gray=1.0), generator)
    assert np.ptp(gray, axis=3).max() == 0
    brighter = color_jitter(frames, replace(NO_AUGMENTATION, color=(0.2, 0, 0)), generator)
    assert np.ptp(brighter, axis=0).max() == 0  # one draw for the clip
    assert 75 <= brighter[0, 0, 0, 0] <= 125
