"""Drawing masks and prompts, in every style."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.io import Edge, Style, color_of, draw_overlay, draw_prompts, draw_style
from masklet.io.overlay import Region, StyleName
from masklet.types import FrameMasks, Prompts

GRAY = np.full((60, 80, 3), 100, np.uint8)


def _frame_masks(*masks: np.ndarray, ids: tuple[int, ...] | None = None) -> FrameMasks:
    scores = np.ones(len(masks), np.float32)
    stacked = np.stack(masks) if masks else np.zeros((0, 60, 80), bool)
    return FrameMasks(0, ids or tuple(range(1, len(masks) + 1)), stacked, presence=scores, iou=scores)


def _box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[top:bottom, left:right] = True
    return mask


def test_fill_is_mixed_and_the_outline_is_solid() -> None:
    drawn = draw_overlay(GRAY, _frame_masks(_box(10, 30, 20, 50)), alpha=0.5, outline=2)
    color = np.array(color_of(1))

    assert (GRAY == 100).all()
    assert np.abs(drawn[20, 35] - (100 + color) / 2).max() <= 1
    for rim in (drawn[10:12, 20:50], drawn[28:30, 20:50], drawn[10:30, 20:22], drawn[10:30, 48:50]):
        assert (rim == color).all()
    outside = np.ones((60, 80), bool)
    outside[10:30, 20:50] = False
    assert (drawn[outside] == 100).all()


def test_there_is_no_outline_along_the_border_of_the_image() -> None:
    drawn = draw_overlay(GRAY, _frame_masks(np.ones((60, 80), bool)), alpha=0)

    assert np.array_equal(drawn, GRAY)


@pytest.mark.parametrize(
    "mask", [_box(0, 60, 0, 80), _box(0, 1, 0, 1), _box(59, 60, 79, 80), _box(30, 31, 0, 80), _box(5, 5, 5, 5)]
)
def test_masks_of_any_extent_change_nothing_outside(mask: np.ndarray) -> None:
    drawn = draw_overlay(GRAY, _frame_masks(mask), outline=3)

    assert (drawn[~mask] == 100).all()
    assert (drawn[mask] != 100).any(axis=1).all()


def test_no_fill_covers_an_outline() -> None:
    below, above = _box(10, 30, 10, 40), _box(10, 50, 25, 70)
    drawn = draw_overlay(GRAY, _frame_masks(below, above), outline=1)

    assert tuple(drawn[20, 39].tolist()) == color_of(1)
    assert tuple(drawn[20, 25].tolist()) == color_of(2)


def test_colors_follow_the_id_or_the_caller() -> None:
    masks = _frame_masks(_box(10, 30, 20, 50), _box(40, 55, 20, 50), ids=(7, 3))
    drawn = draw_overlay(GRAY, masks, alpha=1, colors={3: (1, 2, 3)})

    assert tuple(drawn[20, 30].tolist()) == color_of(7)
    assert tuple(drawn[50, 30].tolist()) == (1, 2, 3)


def test_no_masks_give_an_equal_copy() -> None:
    drawn = draw_overlay(GRAY, _frame_masks())

    assert np.array_equal(drawn, GRAY)
    assert drawn is not GRAY


@pytest.mark.parametrize(("positive", "strongest"), [(True, 1), (False, 0)])
def test_clicks_are_green_or_red_with_a_white_sign(positive: bool, strongest: int) -> None:
    drawn = draw_prompts(np.zeros((480, 640, 3), np.uint8), Prompts.click(300, 200, positive=positive))

    assert drawn[200, 300].tolist() == [255, 255, 255]
    assert int(np.argmax(drawn[197, 303])) == strongest
    assert (drawn[202:204, 300] == 255).all() == positive
    assert not drawn[:180].any()


def test_a_box_is_drawn_where_it_is() -> None:
    drawn = draw_prompts(GRAY, Prompts.from_box(20, 10, 60, 40), color=(255, 0, 0))

    assert (drawn[[10, 10, 40, 40, 25], [20, 60, 20, 60, 20]] == [255, 0, 0]).all()
    assert (drawn[15:35, 26:55] == 100).all()


@pytest.mark.parametrize("point", [(0, 0), (79, 59), (80, 60), (0, 59)])
def test_prompts_at_the_border_are_drawn_as_far_as_they_are_inside(point: tuple[float, float]) -> None:
    prompts = Prompts.from_box(0, 0, 80, 60).and_click(*point)
    drawn = draw_prompts(GRAY, prompts)

    assert drawn.shape == GRAY.shape
    assert (drawn != GRAY).any()


NOISE = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
INSIDE = np.zeros((64, 96), bool)
INSIDE[16:48, 24:72] = True
ONES = np.ones(1, np.float32)
MASKS = FrameMasks(0, (7,), INSIDE[None], presence=ONES, iou=ONES)
NOBODY = FrameMasks(0, (), np.zeros((0, 64, 96), bool), presence=ONES[:0], iou=ONES[:0])


@pytest.mark.parametrize("name", ["blur", "pixelate", "desaturate", "erase"])
@pytest.mark.parametrize("region", ["objects", "background"])
def test_only_the_region_changes(name: StyleName, region: Region) -> None:
    drawn = draw_style(NOISE, MASKS, Style(name=name, region=region))
    changed = INSIDE if region == "objects" else ~INSIDE

    np.testing.assert_array_equal(drawn[~changed], NOISE[~changed])
    assert (drawn[changed] != NOISE[changed]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("name", ["spotlight", "cutout"])
def test_the_objects_stay(name: StyleName) -> None:
    drawn = draw_style(NOISE, MASKS, Style(name=name))

    np.testing.assert_array_equal(drawn[INSIDE], NOISE[INSIDE])
    assert drawn[~INSIDE].mean() < 0.4 * NOISE[~INSIDE].mean()


def test_what_each_style_does() -> None:
    gray = draw_style(NOISE, MASKS, Style(name="desaturate"))[INSIDE]
    blocks = draw_style(NOISE, MASKS, Style(name="pixelate", region="background"))
    blurred = draw_style(NOISE, MASKS, Style(name="blur"))[30:34, 40:56].astype(float)

    assert (gray == gray[:, :1]).all()
    assert (blocks[0:4, 0:4] == blocks[0, 0]).all()
    assert blurred.std() < 0.2 * NOISE[30:34, 40:56].std()


def test_colors() -> None:
    green = (0, 255, 0)

    assert (draw_style(NOISE, MASKS, Style(name="erase", color=green))[INSIDE] == green).all()
    assert (draw_style(NOISE, MASKS, Style(name="cutout", color=green))[~INSIDE] == green).all()
    assert (draw_style(NOISE, MASKS, Style(name="fill", alpha=1, color=green))[INSIDE] == green).all()
    assert (draw_style(NOISE, MASKS, Style(alpha=1, color=green, colors={7: (1, 2, 3)}))[INSIDE] == (1, 2, 3)).all()


def test_fill_is_the_overlay_and_outline_leaves_the_inside() -> None:
    np.testing.assert_array_equal(draw_style(NOISE, MASKS, Style()), draw_overlay(NOISE, MASKS))
    outlined = draw_style(NOISE, MASKS, Style(name="outline"))

    np.testing.assert_array_equal(outlined[24:40, 32:64], NOISE[24:40, 32:64])
    assert tuple(outlined[16, 40].tolist()) == color_of(7)


def test_soft_edges_mix() -> None:
    drawn = draw_style(np.full_like(NOISE, 200), MASKS, Style(name="erase", edge=Edge(soften=4)))[32, :, 0]

    assert drawn[0] == 200
    assert drawn[48] == 0
    assert len(set(drawn[18:30].tolist())) > 4


def test_nobody_there() -> None:
    np.testing.assert_array_equal(draw_style(NOISE, NOBODY, Style(name="blur")), NOISE)
    assert not draw_style(NOISE, NOBODY, Style(name="cutout")).any()


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(("words", "told"), [({"name": "glow"}, "fill.*'glow'"), ({"region": "sky"}, "objects.*'sky'")])
def test_unknown_words(words: dict[str, Any], told: str) -> None:
    with pytest.raises(OutputError, match=told):
        Style(**words)
