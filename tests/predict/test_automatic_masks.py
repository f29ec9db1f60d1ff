"""Automatic mask generation: crops, filters and their counts, and the masks that remain."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import UInt8

from masklet.errors import MediaError
from masklet.masks.boxes import box_iou, boxes_of_masks
from masklet.model.sam2 import Sam2
from masklet.predict.automatic_masks import (
    AutomaticMasker,
    AutomaticSettings,
    Filtered,
    Layer,
    crop_boxes,
    is_cut_off,
    settings_for,
)

ANYTHING = AutomaticSettings(layers=(Layer(points=4),), min_iou=0.0, min_stability=0.0, max_share=1.0)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 4))
def test_crops_cover_the_image(height: int, width: int, crops: int) -> None:
    covered = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in crop_boxes((height, width), crops, 512 / 1500):
        assert 0 <= x0 <= x1 <= width
        assert 0 <= y0 <= y1 <= height
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_neighboring_crops_overlap_by_their_share() -> None:
    assert list(crop_boxes((100, 200), 2, 0.25)) == [
        (0, 0, 113, 63),
        (88, 0, 200, 63),
        (0, 38, 113, 100),
        (88, 38, 200, 100),
    ]
    assert list(crop_boxes((100, 200), 1, 0.25)) == [(0, 0, 200, 100)]


def test_a_mask_is_cut_off_only_at_edges_inside_the_image() -> None:
    mask = np.zeros((60, 60), bool)
    mask[25:60, 25:35] = True  # reaches the lower edge
    assert is_cut_off(mask, (0, 0, 60, 60), (120, 120))
    assert not is_cut_off(mask, (0, 60, 60, 120), (120, 120))


def test_filters_add_up_to_all_candidates(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    settings = AutomaticSettings(layers=(Layer(points=6), Layer(crops=2, points=3)), min_iou=0.4, min_stability=0.3)
    found = AutomaticMasker(tiny, settings).propose(clip[0])
    counts = found.filtered
    assert counts.candidates == 3 * (36 + 4 * 9)
    assert counts.kept == len(found)
    assert all(value >= 0 for value in asdict(counts).values())


def test_proposals_are_consistent(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    found = AutomaticMasker(tiny, ANYTHING).propose(clip[0])
    assert len(found) > 0
    masks = np.stack([rle.to_mask() for rle in found.masks])
    assert masks.shape[1:] == clip.shape[1:3]
    assert np.array_equal(found.boxes, boxes_of_masks(masks))
    assert (np.diff(found.iou) <= 0).all()
    overlaps = box_iou(found.boxes, found.boxes) - np.eye(len(found))
    assert overlaps.max() <= ANYTHING.max_overlap
    assert ((found.points >= 0) & (found.points <= [72, 48])).all()


def test_masks_do_not_depend_on_the_batch(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], one_thread: None) -> None:
    one, two = (AutomaticMasker(tiny, replace(ANYTHING, batch=batch)).propose(clip[0]) for batch in (5, 64))
    assert np.allclose(one.iou, two.iou, atol=1e-5)
    assert one.masks == two.masks


def test_specks_and_holes_are_cleaned_away(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    raw = AutomaticMasker(tiny, ANYTHING).propose(clip[0])
    clean = AutomaticMasker(tiny, replace(ANYTHING, min_area=10_000)).propose(clip[0])
    assert len(clean) == 0  # no piece is that large
    assert clean.filtered.small == len(raw)


def test_no_mask_is_good_enough(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    strict = AutomaticSettings(layers=(Layer(points=4),), min_iou=1.0)
    found = AutomaticMasker(tiny, strict).propose(clip[0])
    assert len(found) == 0
    assert found.filtered == Filtered(candidates=48, low_iou=48)


def test_presets_grow_and_soft_models_get_softer_thresholds(tiny: Sam2) -> None:
    points = [
        sum((layer.crops * layer.points) ** 2 for layer in settings_for(tiny, preset).layers)
        for preset in ("fast", "default", "dense", "small")
    ]
    assert points == sorted(points)
    assert settings_for(tiny).min_stability == 0.95


@pytest.mark.usefixtures("untyped_caller")
def test_invalid_settings_and_images(tiny: Sam2) -> None:
    with pytest.raises(ValueError, match=r"\(\)"):
        AutomaticSettings(layers=())
    with pytest.raises(ValueError, match=r"batch.*0"):
        AutomaticSettings(batch=0)
    with pytest.raises(MediaError, match="float32"):
        AutomaticMasker(tiny).propose(np.zeros((4, 4, 3), np.float32))


def test_steps_yield_progress(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    masker = AutomaticMasker(tiny, replace(ANYTHING, layers=(Layer(points=4), Layer(crops=2, points=2)), batch=6))
    progress = list(masker.steps(clip[0]))
    assert progress == [(6, 32), (12, 32), (16, 32), (20, 32), (24, 32), (28, 32), (32, 32)]
