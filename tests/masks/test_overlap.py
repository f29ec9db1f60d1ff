"""IoU of masks, and the rule that gives each pixel one owner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.masks import overlap, rle
from masklet.masks.overlap import SUPPRESSED, mask_iou, pair_iou, resolve_overlap
from masklet.types import Rle

STACKS = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)
LOGITS = hnp.arrays(np.float32, STACKS, elements=st.sampled_from([-20, -10, -1, 0, 0.5, 3, 12]))


def test_mask_iou_by_hand() -> None:
    rows = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)[:, None]
    expected = np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(mask_iou(rows, rows), expected, rtol=1e-6)
    assert mask_iou(rows[:0], rows).shape == (0, 3)


def test_empty_masks_agree() -> None:
    square, empty = np.pad(np.ones((2, 2), bool), 1), np.zeros((4, 4), bool)
    pairs = [(empty, empty, 1.0), (empty, square, 0.0), (square, square, 1.0), (square, np.roll(square, 1, 0), 1 / 3)]
    for mask, other, expected in pairs:
        assert pair_iou(mask, other) == pytest.approx(expected)
        assert rle.pair_iou(Rle.from_mask(mask), Rle.from_mask(other)) == pytest.approx(expected)


def test_mask_iou_counts_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    masks = np.random.default_rng(0).random((4, 7, 5)) < 0.5
    whole = mask_iou(masks, masks)
    monkeypatch.setattr(overlap, "_BLOCK", 8)
    np.testing.assert_array_equal(mask_iou(masks, masks), whole)


@given(LOGITS)
def test_winner_keeps_its_logit_and_the_rest_is_suppressed(logits: np.ndarray) -> None:
    before = logits.copy()
    resolved = resolve_overlap(logits)
    np.testing.assert_array_equal(logits, before)
    np.testing.assert_array_equal(resolved.max(axis=0), logits.max(axis=0))
    winner = resolved == logits.max(axis=0)
    losers = np.arange(len(logits))[:, None, None] != logits.argmax(axis=0)
    assert winner.any(axis=0).all()
    assert (resolved[losers] <= SUPPRESSED).all()
    assert (resolved <= logits).all()
    assert ((resolved > 0).sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(resolve_overlap(resolved), resolved)


def test_first_of_equals_wins() -> None:
    logits = np.array([[[2, 2, -3]], [[2, 5, -3]], [[-30, 2, -4]]], np.float32)
    expected = [[[2, -10, -3]], [[-10, 5, -10]], [[-30, -10, -10]]]
    np.testing.assert_array_equal(resolve_overlap(logits), expected)


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_to_argue_with(count: int) -> None:
    logits = np.full((count, 2, 2), -3, np.float32)
    resolved = resolve_overlap(logits)
    np.testing.assert_array_equal(resolved, logits)
    assert resolved is not logits
