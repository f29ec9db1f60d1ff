"""Clicks and brush of the simulated annotator, on masks drawn by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from masklet.errors import PromptError
from masklet.masks.clicks import Click
from masklet.predict.annotator import PromptKind, annotate_frame, first_prompt, next_prompt
from masklet.types import ObjectId, Prompts, Region


def drawn(*rows: str) -> Region:
    return np.array([[cell == "#" for cell in row] for row in rows])


CROSS = drawn(
    ".......",
    ".#####.",
    ".#####.",
    ".#####.",
    "......#",
)
LEFT = drawn(
    ".......",
    ".##....",
    ".##....",
    ".##....",
    ".......",
)
TOO_MUCH = drawn(
    "..#####",
    ".######",
    ".######",
    ".######",
    "..#####",
)


EMPTY = np.zeros_like(LEFT)


class Oracle:
    """Returns prepared masks, one after the other, and records the clicks."""

    def __init__(self, answers: Mapping[ObjectId, list[Region]]) -> None:
        self.answers = {i: list(masks) for i, masks in answers.items()}
        self.rounds: list[dict[ObjectId, tuple[float, float, int]]] = []

    def __call__(self, prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        self.rounds.append({i: (*p.points[0].tolist(), int(p.labels[0])) for i, p in prompts.items()})
        return {i: self.answers[i].pop(0) for i in prompts}


def test_first_click_is_the_center_then_the_largest_error() -> None:
    oracle = Oracle({1: [LEFT, TOO_MUCH, CROSS]})
    annotation = annotate_frame({1: CROSS}, oracle, max_clicks=3)[1]
    assert annotation.clicks == [
        Click(2, 2, True),  # the center of the object; of equals the first in reading order
        Click(4, 2, True),  # the center of the missing part, columns 3 to 5
        Click(2, 0, False),  # the surplus is one pixel wide everywhere
    ]
    assert oracle.rounds == [{1: (2, 2, 1)}, {1: (4, 2, 1)}, {1: (2, 0, 0)}]
    assert np.array_equal(annotation.mask, CROSS)


def test_a_perfect_mask_ends_the_clicks() -> None:
    oracle = Oracle({1: [LEFT, CROSS]})
    assert len(annotate_frame({1: CROSS}, oracle, max_clicks=5)[1].clicks) == 2


def test_objects_are_predicted_together_and_each_stops_by_itself() -> None:
    oracle = Oracle({1: [CROSS], 2: [LEFT, CROSS]})
    annotations = annotate_frame({1: CROSS, 2: CROSS}, oracle, max_clicks=3)
    assert {i: len(annotation.clicks) for i, annotation in annotations.items()} == {1: 1, 2: 2}
    assert [sorted(clicks) for clicks in oracle.rounds] == [[1, 2], [2]]


def test_masks_that_are_there_are_corrected() -> None:
    annotation = annotate_frame({1: CROSS}, Oracle({1: [CROSS]}), max_clicks=1, masks={1: LEFT})[1]
    assert annotation.clicks == [Click(4, 2, True)]


def test_an_absent_object_gets_negative_clicks() -> None:
    oracle = Oracle({1: [EMPTY]})
    assert annotate_frame({1: EMPTY}, oracle, max_clicks=3, masks={1: LEFT})[1].clicks == [Click(1, 1, False)]
    assert annotate_frame({1: EMPTY}, oracle, max_clicks=3)[1].clicks == []


@pytest.mark.parametrize(("target", "clicks"), [(0.3, 1), (0.375, 1), (0.4, 2)])
def test_clicks_stop_at_the_target_iou(target: float, clicks: int) -> None:
    oracle = Oracle({1: [LEFT, CROSS]})  # 6 of 16 pixels, then all
    assert len(annotate_frame({1: CROSS}, oracle, max_clicks=5, target_iou=target)[1].clicks) == clicks


@pytest.mark.parametrize(("target", "brushed"), [(0.3, False), (0.5, True)])
def test_the_brush_finishes_what_clicks_do_not(target: float, brushed: bool) -> None:
    oracle = Oracle({1: [LEFT, LEFT]})
    annotation = annotate_frame({1: CROSS}, oracle, max_clicks=2, target_iou=target, brush=True)[1]
    assert (len(annotation.clicks), annotation.brushed) == (2 if brushed else 1, brushed)
    assert np.array_equal(annotation.mask, CROSS if brushed else LEFT)


def test_with_a_brush_an_absent_object_is_erased_without_clicks() -> None:
    annotation = annotate_frame({1: EMPTY}, Oracle({}), max_clicks=2, masks={1: LEFT}, brush=True)[1]
    assert annotation.clicks == []
    assert annotation.brushed
    assert not annotation.mask.any()


def test_first_prompts() -> None:
    mask, box, click = (first_prompt(LEFT, kind) for kind in ("mask", "box", "click"))
    assert mask.mask is not None
    assert box.box is not None
    assert np.array_equal(mask.mask, LEFT)
    assert box.box.tolist() == [1, 1, 3, 4]
    assert click.points.tolist() == [[1, 1]]


@pytest.mark.parametrize("kind", ["mask", "box", "click"])
def test_an_absent_object_has_no_first_prompt(kind: PromptKind) -> None:
    with pytest.raises(PromptError):
        first_prompt(EMPTY, kind)


def test_next_prompts() -> None:
    assert next_prompt(CROSS, CROSS) is None
    added, removed = next_prompt(LEFT, CROSS), next_prompt(LEFT, EMPTY)
    assert added is not None
    assert removed is not None
    assert (added.points.tolist(), added.labels.tolist()) == ([[4, 2]], [1])
    assert (removed.points.tolist(), removed.labels.tolist()) == ([[1, 1]], [0])
    absent = next_prompt(LEFT, EMPTY, mark_absent=True)
    assert absent is not None
    assert absent.is_absent
    assert next_prompt(EMPTY, EMPTY, mark_absent=True) is None


@pytest.mark.parametrize("clicks", [1, 3])
def test_the_clicks_are_deterministic(clicks: int) -> None:
    runs = [
        annotate_frame({1: CROSS}, Oracle({1: [LEFT, TOO_MUCH, LEFT]}), max_clicks=clicks)[1].clicks for _ in range(2)
    ]
    assert runs[0] == runs[1]
