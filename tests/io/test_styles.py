"""Styles of overlay videos: what changes and what does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.io import Edge, Style, color_of, draw_overlay, draw_style
from masklet.io.styles import Region, StyleName
from masklet.types import FrameMasks

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
@pytest.mark.parametrize(
    ("words", "told"), [({"name": "glow"}, "style of fill"), ({"region": "sky"}, "region of objects")]
)
def test_unknown_words(words: dict[str, Any], told: str) -> None:
    with pytest.raises(OutputError, match=told):
        Style(**words)
