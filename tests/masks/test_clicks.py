"""Clicks land inside what they are meant for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.errors import PromptError
from masklet.masks.clicks import Click, center_click, next_click, sample_click

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


@given(REGIONS, st.integers(0, 2**32))
def test_clicks_are_inside(mask: np.ndarray, seed: int) -> None:
    for x, y in (center_click(mask), sample_click(mask, np.random.default_rng(seed))):
        assert mask[y, x]
    assert sample_click(mask, np.random.default_rng(seed)) == sample_click(mask, np.random.default_rng(seed))


def test_every_pixel_is_drawn() -> None:
    mask = region("#.#", "..#")
    generator = np.random.default_rng(0)
    assert {sample_click(mask, generator) for _ in range(50)} == {(0, 0), (2, 0), (2, 1)}


def test_nothing_to_click_on() -> None:
    empty = np.zeros((3, 3), bool)
    with pytest.raises(PromptError):
        center_click(empty)
    with pytest.raises(PromptError):
        sample_click(empty, np.random.default_rng(0))


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
