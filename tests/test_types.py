"""The public values: what they hold, what they refuse, how they are picked apart."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from masklet.errors import FormatError, PromptError, UnknownObjectError
from masklet.types import FrameMasks, FrameSource, Masklet, MaskSet, Prompts, Rle

MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)))
def test_rle_round_trip(mask: np.ndarray) -> None:
    code = Rle.from_mask(mask)
    assert code.size == mask.shape
    assert code.area == mask.sum()
    np.testing.assert_array_equal(code.to_mask(), mask)
    assert code.to_mask().dtype == bool


def test_equal_masks_have_equal_codes() -> None:
    assert Rle.from_mask(MASK) == Rle.from_mask(np.asfortranarray(MASK))
    assert Rle.from_mask(MASK) != Rle.from_mask(MASK.T)
    assert len({Rle.from_mask(MASK), Rle.from_mask(MASK.copy())}) == 1


def test_clicks_and_box_add_up() -> None:
    prompts = Prompts.click(3, 4).and_click(5, 6.5, positive=False)
    np.testing.assert_array_equal(prompts.points, [[3, 4], [5, 6.5]])
    np.testing.assert_array_equal(prompts.labels, [1, 0])
    assert prompts.points.dtype == np.float32
    assert prompts.labels.dtype == np.int64
    assert prompts.box is None
    boxed = Prompts.from_box(1, 2, 3, 4).and_click(2, 3)
    assert boxed.box is not None
    assert boxed.box.tolist() == [1, 2, 3, 4]
    assert boxed.labels.tolist() == [1]


def test_prompts_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Prompts.click(1, 1).box = None  # type: ignore[misc]


@pytest.mark.usefixtures("untyped_caller")
def test_prompts_take_what_people_have() -> None:
    prompts = Prompts(points=[[3, 4]], labels=[True], box=(1, 2, 3, 4))  # type: ignore[arg-type]
    assert prompts.points.dtype == np.float32
    assert prompts.labels.dtype == np.int64
    assert prompts.box is not None
    assert prompts.box.dtype == np.float32
    for values in (MASK.astype(np.uint8) * 255, MASK.astype(np.float64), MASK.tolist()):
        mask = Prompts.from_mask(values).mask
        assert mask is not None
        np.testing.assert_array_equal(mask, MASK)
        assert mask.dtype == bool


@pytest.mark.usefixtures("untyped_caller")
def test_one_point_needs_no_list() -> None:
    prompts = Prompts(points=[3, 4], labels=1)  # type: ignore[arg-type]
    assert (prompts.points.tolist(), prompts.labels.tolist()) == ([[3, 4]], [1])


def test_prompts_do_not_change_with_the_callers_arrays() -> None:
    points, labels, box, mask = (
        np.ones((1, 2), np.float32),
        np.ones(1, int),
        np.arange(4, dtype=np.float32),
        MASK.copy(),
    )
    clicked, drawn = Prompts(points, labels, box), Prompts.from_mask(mask)
    points[:], labels[:], box[:], mask[:] = 9, 0, 9, False
    assert (clicked.points.tolist(), clicked.labels.tolist()) == ([[1, 1]], [1])
    assert clicked.box is not None
    assert clicked.box.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(drawn.mask, MASK)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (Prompts, "expected a click, a box or a mask, got none of them"),
    (lambda: Prompts.click(float("nan"), 1), "points must be finite numbers, got [[nan, 1.0]]"),
    (lambda: Prompts.click(1, float("inf")), "points must be finite numbers"),
    (lambda: Prompts(points=np.array([["a", "b"]]), labels=np.array([1])), "points must be numbers"),
    (lambda: Prompts(points=np.zeros((2, 2), np.float32), labels=np.array([1])), "got 2 points and 1 labels"),
    (lambda: Prompts(points=np.zeros((1, 2), np.float32), labels=np.array([2])), "labels must be 1"),
    (lambda: Prompts.from_box(5, 1, 3, 4), "expected a box with x0 < x1 and y0 < y1, got (5, 1, 3, 4)"),
    (lambda: Prompts.from_box(1, 4, 3, 4), "expected a box with x0 < x1"),
    (lambda: Prompts.from_box(1, float("nan"), 3, 4), "box must be finite numbers"),
    (lambda: Prompts(box=np.zeros(3, np.float32)), "expected a box of 4 numbers (x0, y0, x1, y1), got shape (3,)"),
    (lambda: Prompts.from_mask(np.zeros((3, 3), bool)), "mask is empty"),
    (lambda: Prompts.from_mask(np.ones((1, 3, 3), bool)), "expected a mask of shape (height, width), got (1, 3, 3)"),
    (lambda: Prompts.from_mask(np.full((3, 3), np.nan)), "mask must hold finite numbers"),
    (lambda: Prompts.from_mask(MASK.astype(str)), "mask must hold numbers, got <U5"),
    (lambda: Prompts.from_mask([[1, 0], [1]]), "expected a mask of shape (height, width), got rows of several lengths"),  # type: ignore[arg-type]
    (lambda: Prompts.from_mask(MASK).and_click(1, 1), "a mask stands alone"),
    (
        lambda: Prompts(np.zeros((2, 3), np.float32), np.ones(3, int)),
        "expected points of shape (n, 2), x and y of each",
    ),
    (
        lambda: Prompts(np.array([1, 2, 3], np.float32), np.array([1])),
        "points of shape (n, 2), x and y of each, got (3,)",
    ),
    (lambda: Prompts(np.zeros((1, 1, 2), np.float32), np.array([1])), "points of shape (n, 2)"),
    (lambda: Prompts([[1, 2], [3]], [1, 1]), "points must be numbers"),  # type: ignore[arg-type]
    (lambda: Prompts([1, 2], "left"), "labels must be numbers"),  # type: ignore[arg-type]
    (lambda: Prompts([1, 2], [0.5]), "labels must be 1 (positive) or 0 (negative), got [0.5]"),  # type: ignore[arg-type]
    (lambda: Prompts.absent((-1, 5)), "expected a size (height, width) in whole pixels, got (-1, 5)"),
    (lambda: Prompts.absent((4.0, 5.0)), "in whole pixels, got (4.0, 5.0)"),  # type: ignore[arg-type]
    (lambda: Prompts.absent(4), "in whole pixels, got 4"),  # type: ignore[arg-type]
    (lambda: Prompts.absent((4, 5, 3)), "in whole pixels, got (4, 5, 3)"),  # type: ignore[arg-type]
    (lambda: Prompts(box=np.array([0, 0, 1, 1], np.float32), mask=MASK), "a mask stands alone"),
]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(("build", "message"), REFUSED)
def test_prompts_refuse(build: Callable[[], object], message: str) -> None:
    with pytest.raises(PromptError, match=re.escape(message)) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (Prompts.click(0, 0), None),
        (Prompts.click(3, 2), None),  # the far corner of the last pixel
        (Prompts.click(3.5, 1), "click (3.5, 1) is outside the picture of 3x2 pixels"),
        (Prompts.click(1, -1), "click (1, -1) is outside"),
        (Prompts.click(1, 1).and_click(1, 9), "click (1, 9) is outside"),
        (Prompts.from_box(0, 0, 3, 2), None),
        (Prompts.from_box(0, 0, 4, 2), "box (0, 0, 4, 2) is not inside the picture of 3x2 pixels"),
        (Prompts.from_box(-1, 0, 2, 2), "box (-1, 0, 2, 2) is not inside"),
        (Prompts.from_mask(MASK), None),
        (Prompts.from_mask(MASK.T), "expected a mask of 3x2 pixels (the picture's size), got 2x3"),
    ],
)
def test_check_inside(prompts: Prompts, message: str | None) -> None:
    if message is None:
        prompts.check_inside((2, 3))
    else:
        with pytest.raises(PromptError, match=re.escape(message)):
            prompts.check_inside((2, 3))


def mask_set() -> MaskSet:
    return MaskSet(
        masks=np.stack([MASK, ~MASK, MASK]),
        iou=np.array([0.2, 0.9, 0.5], np.float32),
        boxes=np.arange(12, dtype=np.float32).reshape(3, 4),
    )


@pytest.mark.parametrize(
    ("index", "left"),
    [
        (1, [0.9]),
        (-1, [0.5]),
        (slice(1, None), [0.9, 0.5]),
        ([2, 0], [0.5, 0.2]),
        ([], []),
        (np.array([True, False, True]), [0.2, 0.5]),
        (np.int64(0), [0.2]),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_mask_set_filters_as_one(index: int | slice | list[int] | np.ndarray, left: list[float]) -> None:
    chosen = mask_set()[index]
    assert len(chosen) == len(left)
    np.testing.assert_allclose(chosen.iou, left)
    assert chosen.boxes is not None
    assert chosen.boxes.shape == (len(left), 4)
    assert chosen.masks.shape == (len(left), 2, 3)
    assert chosen.stability is None


def test_best_mask() -> None:
    best = mask_set().best
    np.testing.assert_array_equal(best.masks, [~MASK])
    assert best.iou.tolist() == pytest.approx([0.9])


def frame(*object_ids: int) -> FrameMasks:
    masks = np.stack([MASK, np.roll(MASK, 1, axis=1)])[: len(object_ids)]
    ones = np.ones(len(object_ids), np.float32)
    return FrameMasks(frame_index=4, object_ids=object_ids, masks=masks, presence=ones, iou=ones)


def test_frame_masks_by_object() -> None:
    masks = frame(7, 3)
    assert len(masks) == 2
    assert masks.position(3) == 1
    np.testing.assert_array_equal(masks[7], MASK)
    assert masks.rles() == {7: Rle.from_mask(MASK), 3: Rle.from_mask(masks[3])}
    with pytest.raises(UnknownObjectError, match=re.escape("frame 4 has no object 5 (objects here: 7, 3)")):
        masks[5]


@pytest.mark.parametrize(
    ("object_ids", "labels", "dtype"),
    [
        ((1, 2), [[2, 1, 2], [2, 0, 1]], np.uint8),
        ((255,), [[0, 255, 255], [0, 0, 255]], np.uint8),
        ((256,), [[0, 256, 256], [0, 0, 256]], np.uint16),
        ((), [], np.uint8),
    ],
)
def test_label_map(object_ids: tuple[int, ...], labels: list[list[int]], dtype: type) -> None:
    found = frame(*object_ids).label_map()
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.array(labels).reshape(-1, 3) if labels else np.zeros((2, 3)))


def test_a_label_map_does_not_hold_every_id() -> None:
    assert frame(65535).label_map().max() == 65535
    with pytest.raises(FormatError, match="label maps hold object ids up to 65535, got 65536"):
        frame(65536, 1).label_map()


def test_masklet_starts_empty() -> None:
    one, other = Masklet(1, (2, 3)), Masklet(2, (2, 3))
    one.frames[0] = Rle.from_mask(MASK)
    assert other.frames == {}
    assert (one.source, one.name, one.prompted) == ("assisted", "", ())


def test_frame_source_is_what_it_can_do() -> None:
    class Frames(list[np.ndarray]):
        size, fps, timestamps = (2, 3), None, ()

    assert isinstance(Frames(), FrameSource)
    assert not isinstance([], FrameSource)
