"""Effects on literal pictures: what is inside, what is outside."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.studio.effects import Background, Effects, Foreground, frame_masks, rgb
from masklet.types import FrameMasks

FRAME = np.random.default_rng(1).integers(60, 200, (40, 60, 3)).astype(np.uint8)
INSIDE = np.zeros((40, 60), bool)
INSIDE[10:30, 20:40] = True
ONE = np.ones(1, np.float32)
MASKS = FrameMasks(0, (1,), INSIDE[None], ONE, ONE)


@pytest.mark.parametrize("background", ["blur", "pixelate", "desaturate", "darken", "erase"])
def test_the_background_changes_alone(background: Background) -> None:
    drawn = Effects(background=background, object="original").draw(FRAME, MASKS, {})
    assert np.array_equal(drawn[INSIDE], FRAME[INSIDE])
    assert not np.array_equal(drawn[~INSIDE], FRAME[~INSIDE])


@pytest.mark.parametrize("changed", ["overlay", "outline", "blur", "pixelate", "desaturate", "erase"])
def test_the_objects_change_alone(changed: Foreground) -> None:
    drawn = Effects(object=changed).draw(FRAME, MASKS, {})
    assert np.array_equal(drawn[~INSIDE], FRAME[~INSIDE])
    assert not np.array_equal(drawn[INSIDE], FRAME[INSIDE])


def test_colors_and_strength() -> None:
    colors = {1: rgb("#ff8000")}
    assert colors == {1: (255, 128, 0)}
    full = Effects(strength=1.0).draw(FRAME, MASKS, colors)
    assert np.array_equal(np.unique(full[INSIDE], axis=0), [[255, 128, 0]])
    erased = Effects(background="erase", object="original", color="#010203").draw(FRAME, MASKS, {})
    assert np.array_equal(np.unique(erased[~INSIDE], axis=0), [[1, 2, 3]])


def test_nothing_to_draw() -> None:
    drawn = Effects().draw(FRAME, frame_masks(0, [], (40, 60)), {})
    assert np.array_equal(drawn, FRAME)
    assert drawn is not FRAME
