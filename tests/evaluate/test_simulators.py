"""Where a simulated person clicks, on masks drawn by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from masklet.evaluate.simulators import box_prompt, correct
from masklet.masks.clicks import Click
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


class Oracle:
    """Gives prepared masks, one after the other, and remembers what it was asked."""

    def __init__(self, answers: Mapping[ObjectId, list[Region]]) -> None:
        self.answers = {i: list(masks) for i, masks in answers.items()}
        self.asked: list[dict[ObjectId, tuple[float, float, int]]] = []

    def __call__(self, prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        self.asked.append({i: (*p.points[0].tolist(), int(p.labels[0])) for i, p in prompts.items()})
        return {i: self.answers[i].pop(0) for i in prompts}


def test_first_click_is_the_center_then_the_largest_error() -> None:
    oracle = Oracle({1: [LEFT, TOO_MUCH, CROSS]})
    made = correct({1: CROSS}, oracle, 3)
    assert made == {
        1: [
            Click(2, 2, True),  # the middle of the object, of equals the first in reading order
            Click(4, 2, True),  # the middle of the missing part, columns 3 to 5
            Click(2, 0, False),  # the surplus is one pixel wide everywhere
        ]
    }
    assert oracle.asked == [{1: (2, 2, 1)}, {1: (4, 2, 1)}, {1: (2, 0, 0)}]


def test_a_perfect_mask_ends_the_clicks() -> None:
    oracle = Oracle({1: [LEFT, CROSS]})
    assert [click.positive for click in correct({1: CROSS}, oracle, 5)[1]] == [True, True]


def test_objects_are_asked_together_and_each_stops_for_itself() -> None:
    oracle = Oracle({1: [CROSS], 2: [LEFT, CROSS]})
    made = correct({1: CROSS, 2: CROSS}, oracle, 3)
    assert {i: len(clicks) for i, clicks in made.items()} == {1: 1, 2: 2}
    assert [sorted(asked) for asked in oracle.asked] == [[1, 2], [2]]


def test_what_is_shown_is_corrected() -> None:
    oracle = Oracle({1: [CROSS]})
    assert correct({1: CROSS}, oracle, 1, shown={1: LEFT}) == {1: [Click(4, 2, True)]}


def test_an_absent_object_gets_negative_clicks() -> None:
    nothing = np.zeros_like(LEFT)
    oracle = Oracle({1: [nothing]})
    assert correct({1: nothing}, oracle, 3, shown={1: LEFT}) == {1: [Click(1, 1, False)]}
    assert correct({1: nothing}, oracle, 3) == {1: []}


def test_box_is_tight() -> None:
    box = box_prompt(LEFT).box
    assert box is not None
    assert box.tolist() == [1, 1, 3, 4]


@pytest.mark.parametrize("clicks", [1, 3])
def test_again_is_the_same(clicks: int) -> None:
    runs = [correct({1: CROSS}, Oracle({1: [LEFT, TOO_MUCH, LEFT]}), clicks) for _ in range(2)]
    assert runs[0] == runs[1]
