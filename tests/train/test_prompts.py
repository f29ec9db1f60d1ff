"""Simulated prompts: plans are drawn by their settings, and clicks and boxes are at their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.train.config import PromptConfig
from masklet.train.prompts import depth, draw_plan, next_clicks, noisy_boxes, pick_correction, pick_pixels

FRAMES, OBJECTS = 8, 40


def test_shares_of_first_prompts_are_those_of_the_paper() -> None:
    generator = np.random.default_rng(0)
    kinds = [kind for _ in range(50) for kind in draw_plan(PromptConfig(), FRAMES, OBJECTS, generator).kinds]
    for kind, share in (("mask", 0.5), ("click", 0.25), ("box", 0.25)):
        assert abs(kinds.count(kind) / len(kinds) - share) < 0.04  # type: ignore[arg-type]
    stills = draw_plan(PromptConfig(), 1, OBJECTS, generator)
    assert set(stills.kinds) == {"click", "box"}
    assert stills.prompted == stills.corrected == (0,)


@given(seed=st.integers(0, 10_000), frames=st.integers(1, 12))
def test_a_plan_starts_at_the_first_frame_and_stays_within_its_bounds(seed: int, frames: int) -> None:
    config = PromptConfig(prompted_frames=2, corrected_frames=3, corrections=(1, 7))
    plan = draw_plan(config, frames, 3, np.random.default_rng(seed))
    assert plan.prompted[0] == 0
    assert len(plan.prompted) <= 2
    assert 1 <= len(plan.corrected) <= 3
    assert set(plan.corrected) <= set(range(frames))
    assert 1 <= plan.rounds <= 7
    assert set(plan.prompted) <= set(plan.corrected) or set(plan.corrected) <= set(plan.prompted)


def test_the_same_generator_draws_the_same_plan() -> None:
    one, two = (draw_plan(PromptConfig(), 4, 5, np.random.default_rng(7)) for _ in range(2))
    assert (one.kinds, one.prompted, one.corrected, one.rounds) == (two.kinds, two.prompted, two.corrected, two.rounds)
    assert np.array_equal(one.corrections, two.corrections)


def test_pixels_are_picked_in_reading_order_or_at_the_center() -> None:
    region = torch.zeros(1, 7, 7, dtype=torch.bool)
    region[0, 1:6, 1:6] = True
    at = [pick_pixels(region, torch.tensor([share]), torch.tensor([False]))[0].tolist() for share in (0.0, 0.5, 0.999)]
    assert at == [[1, 1], [3, 3], [5, 5]]
    assert pick_pixels(region, torch.tensor([0.0]), torch.tensor([True]))[0].tolist() == [3, 3]
    assert pick_pixels(~region & region, torch.tensor([0.3]), torch.tensor([False]))[0].tolist() == [0, 0]


def test_depth_is_the_chessboard_distance_and_the_border_is_outside() -> None:
    region = torch.ones(1, 3, 5, dtype=torch.bool)
    assert depth(region)[0].tolist() == [[1, 1, 1, 1, 1], [1, 2, 2, 2, 1], [1, 1, 1, 1, 1]]


@given(seed=st.integers(0, 10_000), centered=st.sampled_from([0.0, 1.0]))
def test_corrections_fall_on_an_error_and_have_its_label(seed: int, centered: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    missing, surplus = torch.rand(2, 4, 9, 9, generator=generator) > 0.8
    surplus &= ~missing
    missing[:, 4, 4] = True  # there is always an error
    surplus[:, 4, 4] = False
    draws = torch.rand(4, 3, generator=generator)
    places, positive = pick_correction(missing, surplus, draws, PromptConfig(centered_clicks=centered))
    for i, (x, y) in enumerate(places.long().tolist()):
        assert (missing if positive[i] else surplus)[i, y, x]


def test_a_centered_correction_goes_to_the_deepest_error() -> None:
    missing, surplus = torch.zeros(2, 1, 12, 12, dtype=torch.bool)
    missing[0, :2, :2] = True
    surplus[0, 4:11, 4:11] = True
    places, positive = pick_correction(missing, surplus, torch.zeros(1, 3), PromptConfig(centered_clicks=1.0))
    assert places.tolist() == [[7, 7]]
    assert positive.tolist() == [False]


def test_boxes_are_tight_without_noise_and_off_by_their_share_with_it() -> None:
    mask = torch.zeros(1, 20, 30, dtype=torch.bool)
    mask[0, 5:11, 10:21] = True
    assert noisy_boxes(mask, torch.zeros(1, 4), 0.1).tolist() == [[[10, 5], [20, 10]]]
    moved = noisy_boxes(mask, torch.tensor([[-1.0, 1.0, 1.0, -1.0]]), 0.1)
    assert torch.allclose(moved, torch.tensor([[[8.9, 5.6], [21.1, 9.4]]]))


@given(noise=st.lists(st.floats(-5, 5, width=32), min_size=4, max_size=4))
def test_noisy_boxes_stay_in_the_image_and_keep_their_corners_apart(noise: list[float]) -> None:
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[0, 3:7, 12:16] = True
    (x0, y0), (x1, y1) = noisy_boxes(mask, torch.tensor([noise]), 0.5)[0].tolist()
    assert 0 <= x0 < x1 <= 16
    assert 0 <= y0 < y1 <= 16


@pytest.mark.parametrize(("predicted", "label"), [(False, 1), (True, 0)])
def test_a_correction_falls_on_a_missing_or_a_surplus_cell(predicted: bool, label: int) -> None:
    truth = torch.zeros(1, 64, 64, dtype=torch.bool)
    truth[0, 16:32, 16:32] = True
    logits = torch.full((1, 1, 16, 16), 5.0 if predicted else -5.0)
    (place,), (clicked,) = next_clicks(logits, truth, torch.tensor([[0.5, 0.9, 0.9]]), PromptConfig())
    assert clicked == label
    x, y = place.long().tolist()
    assert bool(truth[0, y, x]) is not predicted


def test_without_an_error_the_click_falls_on_the_object_and_is_negative_for_an_absent_one() -> None:
    truth = torch.zeros(2, 64, 64, dtype=torch.bool)
    truth[0, 16:32, 16:32] = True
    logits = torch.where(torch.nn.functional.avg_pool2d(truth[:, None].float(), 4) > 0.5, 5.0, -5.0)
    places, labels = next_clicks(logits, truth, torch.full((2, 3), 0.5), PromptConfig())
    assert labels.tolist() == [1, 0]
    x, y = places[0].long().tolist()
    assert truth[0, y, x]
