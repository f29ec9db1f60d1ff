"""Boxes of masks, their overlap, and suppression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.masks.boxes import box_areas, box_iou, boxes_of_masks, nms

CORNERS = st.integers(0, 8)


@st.composite
def box_stacks(draw: st.DrawFn) -> np.ndarray:
    corners = draw(hnp.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(2), st.just(2)), elements=CORNERS))
    return np.sort(corners, axis=1).reshape(len(corners), 4)


@pytest.mark.parametrize(
    ("inside", "box"),
    [
        ([], (0, 0, 0, 0)),
        ([(0, 0)], (0, 0, 1, 1)),
        ([(4, 2)], (4, 2, 5, 3)),
        ([(1, 2), (3, 0)], (1, 0, 4, 3)),
    ],
)
def test_box_of_mask(inside: list[tuple[int, int]], box: tuple[int, ...]) -> None:
    mask = np.zeros((1, 3, 5), bool)
    for x, y in inside:
        mask[0, y, x] = True
    found = boxes_of_masks(mask)
    assert found.dtype == np.float32
    assert tuple(found[0]) == box


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_boxes_of_nothing(shape: tuple[int, int, int]) -> None:
    np.testing.assert_array_equal(boxes_of_masks(np.zeros(shape, bool)), np.zeros((shape[0], 4)))


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)))
def test_box_is_tight(masks: np.ndarray) -> None:
    for mask, (x0, y0, x1, y1) in zip(masks, boxes_of_masks(masks).astype(int), strict=True):
        inside = mask[y0:y1, x0:x1]
        assert inside.sum() == mask.sum()
        assert inside.any(axis=0)[[0, -1]].all() if mask.any() else inside.size == 0
        assert inside.any(axis=1)[[0, -1]].all() if mask.any() else inside.size == 0


@pytest.mark.parametrize(
    ("one", "other", "iou"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0),
        ((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4),
        ((1, 1, 1, 1), (1, 1, 1, 1), 0),
        ((0, 0, 2, 2), (3, 3, 1, 1), 0),
    ],
)
def test_box_iou(one: tuple[int, ...], other: tuple[int, ...], iou: float) -> None:
    found = box_iou(np.array([one], np.float32), np.array([other], np.float32))
    assert found.dtype == np.float32
    assert found[0, 0] == pytest.approx(iou)


@given(box_stacks())
def test_box_iou_is_symmetric(boxes: np.ndarray) -> None:
    iou = box_iou(boxes, boxes)
    np.testing.assert_array_equal(iou, iou.T)
    np.testing.assert_array_equal(np.diag(iou), box_areas(boxes) > 0)
    assert ((iou >= 0) & (iou <= 1)).all()


@given(box_stacks(), st.floats(0, 1), st.randoms())
def test_nms_keeps_the_best_of_each_crowd(boxes: np.ndarray, threshold: float, random: np.random.Generator) -> None:
    scores = np.array([random.choice([0.1, 0.5, 0.9]) for _ in boxes], np.float32)
    kept = nms(boxes, scores, threshold)
    assert (np.diff(scores[kept]) <= 0).all()
    between = box_iou(boxes[kept], boxes[kept])
    assert (between[np.triu_indices(len(kept), 1)] <= threshold).all()
    for dropped in set(range(len(boxes))) - set(kept.tolist()):
        better = kept[(scores[kept] > scores[dropped]) | ((scores[kept] == scores[dropped]) & (kept < dropped))]
        assert (box_iou(boxes[[dropped]], boxes[better]) > threshold).any()
    np.testing.assert_array_equal(nms(boxes[kept], scores[kept], threshold), np.arange(len(kept)))


def test_nms_by_hand() -> None:
    boxes = np.array([[0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 6, 6], [0, 0, 4, 4]], np.float32)
    assert nms(boxes, np.array([0.5, 0.9, 0.1, 0.5], np.float32), 0.7).tolist() == [1, 2]
    assert nms(boxes, np.array([0.5, 0.9, 0.1, 0.5], np.float32), 0.8).tolist() == [1, 0, 2]
    assert nms(boxes[:0], np.zeros(0, np.float32), 0.5).tolist() == []
