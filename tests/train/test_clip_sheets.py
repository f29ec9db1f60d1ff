"""Clips drawn for people: masks and prompts where they belong, and rows of them."""

from __future__ import annotations

import numpy as np

from masklet.io.overlay import POSITIVE
from masklet.train.callbacks import Ask, Shown
from masklet.train.clip_sheets import CAPTION, GAP, draw_frames, draw_sheet, draw_shown


def clip(num_frames: int = 3, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    frames = np.full((num_frames, side, side, 3), 100, np.uint8)
    masks = np.zeros((num_frames, 2, side, side), bool)
    masks[:, 0, 4:20, 4:20] = True
    return frames, masks


def ask(frame: int, points: list[tuple[float, float]], labels: tuple[int, ...], thing: int = 0) -> Ask:
    return Ask(frame, thing, np.array(points, np.float32).reshape(-1, 2), labels)


def test_masks_are_colored_and_frames_scaled() -> None:
    drawn = draw_frames(*clip(), tile=64)
    assert [picture.shape for picture in drawn] == [(64, 64, 3)] * 3
    assert (drawn[0][60, 60] == 100).all()
    assert (drawn[0][24, 24] != 100).any()


def test_prompts_stand_where_they_were_given() -> None:
    asks = (
        ask(1, [(24, 28)], (1,)),
        ask(2, [(2, 3), (20, 22)], (2, 3), thing=1),
        ask(0, [], ()),
    )
    plain = draw_frames(*clip(), tile=64)
    drawn = draw_frames(*clip(), asks, tile=64)
    assert np.array_equal(plain[0], drawn[0])  # followed, not asked
    changed = np.argwhere((plain[1] != drawn[1]).any(2))
    assert abs(changed.mean(0) - (56, 48)).max() < 2  # row, column: scaled by two
    assert (drawn[1] == POSITIVE).all(2).any()
    assert (plain[2] != drawn[2]).any(2)[6:44, 4].mean() > 0.9  # the left side of the box


def test_the_last_of_several_asks_is_drawn() -> None:
    first, second = ask(0, [(8, 8)], (1,)), ask(0, [(8, 8), (24, 24)], (1, 0))
    both = draw_frames(*clip(), (first, second), tile=64)[0]
    assert np.array_equal(both, draw_frames(*clip(), (second,), tile=64)[0])
    assert not np.array_equal(both, draw_frames(*clip(), (first,), tile=64)[0])


def test_rows_of_a_sheet() -> None:
    frames, masks = clip()
    sheet = draw_sheet(
        [("one", draw_frames(frames, masks, tile=16)), ("two", draw_frames(frames[:1], masks[:1], tile=16))]
    )
    assert sheet.shape == (2 * (16 + GAP + CAPTION), 3 * (16 + GAP), 3)


def test_prompts_answers_and_truth() -> None:
    frames, masks = clip(num_frames=12)
    shown = draw_shown(Shown(frames, masks, masks & False, (ask(0, [(8, 8)], (1,)),)), tile=16, frames=8)
    step = 16 + GAP + CAPTION
    assert shown.shape == (3 * step, 8 * (16 + GAP), 3)
    prompts, answers, truth = (shown[row * step : row * step + 16, 16 + GAP : 2 * 16 + GAP] for row in range(3))
    assert np.array_equal(prompts, answers)  # nothing was asked on the second frame, and nothing found
    assert not np.array_equal(answers, truth)
