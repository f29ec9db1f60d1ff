"""Clicks land inside what they are meant for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.errors import PromptError
from masklet.masks.clicks import Click, center_click, next_click

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=8)
REGIONS = hnp.arrays(bool, SHAPES).filter(np.any)


def region(*rows: str) -> np.ndarray:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


@pytest.mark.parametrize(
    ("rows", "center"),
    [
        (("...", ".#.", "..."), (1, 1)),
        (("#####", "#####", "#####"), (1, 1)),
        (("###", "###", "###"), (1, 1)),
        (("#....", ".###.", ".###.", ".###."), (2, 2)),
        (("##", "##"), (0, 0)),
    ],
)
def test_center_click(rows: tuple[str, ...], center: tuple[int, int]) -> None:
    assert center_click(region(*rows)) == center


@given(REGIONS)
def test_a_click_is_inside(mask: np.ndarray) -> None:
    x, y = center_click(mask)
    assert mask[y, x]


def test_nothing_to_click_on() -> None:
    with pytest.raises(PromptError):
        center_click(np.zeros((3, 3), bool))


@given(st.data(), SHAPES)
def test_next_click_corrects(data: st.DataObject, shape: tuple[int, int]) -> None:
    prediction, truth = data.draw(hnp.arrays(bool, shape)), data.draw(hnp.arrays(bool, shape))
    click = next_click(prediction, truth)
    if click is None:
        np.testing.assert_array_equal(prediction, truth)
    else:
        assert truth[click.y, click.x] == click.positive
        assert prediction[click.y, click.x] != click.positive


@pytest.mark.parametrize(
    ("prediction", "truth", "click"),
    [
        ("...........", "...###.....", Click(3, 0, positive=True)),
        ("...###.....", "...........", Click(3, 0, positive=False)),
        ("#..........", "..........#", Click(10, 0, positive=True)),
        ("###.###.###", "###.###.###", None),
    ],
)
def test_next_click_by_hand(prediction: str, truth: str, click: Click | None) -> None:
    assert next_click(region(prediction), region(truth)) == click


def test_deepest_error_comes_first() -> None:
    prediction, truth = region("###....", "###....", "###...."), region(".......", ".......", "....###")
    assert next_click(prediction, truth) == Click(1, 1, positive=False)
