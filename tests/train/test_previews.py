"""Previews: masks and prompts at their places, and rows of them."""

from __future__ import annotations

import numpy as np

from masklet.io.overlay import POSITIVE
from masklet.train.previews import CAPTION, GAP, ObjectPrompt, Preview, draw_frames, draw_preview, draw_sheet


def clip(num_frames: int = 3, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    frames = np.full((num_frames, side, side, 3), 100, np.uint8)
    masks = np.zeros((num_frames, 2, side, side), bool)
    masks[:, 0, 4:20, 4:20] = True
    return frames, masks


def prompt(
    frame: int, points: list[tuple[float, float]], labels: tuple[int, ...], object_index: int = 0
) -> ObjectPrompt:
    return ObjectPrompt(frame, object_index, np.array(points, np.float32).reshape(-1, 2), labels)


def test_masks_are_colored_and_frames_scaled() -> None:
    drawn = draw_frames(*clip(), tile=64)
    assert [image.shape for image in drawn] == [(64, 64, 3)] * 3
    assert (drawn[0][60, 60] == 100).all()
    assert (drawn[0][24, 24] != 100).any()


def test_prompts_are_drawn_at_their_places() -> None:
    prompts = (
        prompt(1, [(24, 28)], (1,)),
        prompt(2, [(2, 3), (20, 22)], (2, 3), object_index=1),
        prompt(0, [], ()),
    )
    plain = draw_frames(*clip(), tile=64)
    drawn = draw_frames(*clip(), prompts, tile=64)
    assert np.array_equal(plain[0], drawn[0])  # tracked, not prompted
    changed = np.argwhere((plain[1] != drawn[1]).any(2))
    assert abs(changed.mean(0) - (56, 48)).max() < 2  # row, column: scaled by two
    assert (drawn[1] == POSITIVE).all(2).any()
    assert (plain[2] != drawn[2]).any(2)[6:44, 4].mean() > 0.9  # the left side of the box


def test_the_last_of_several_prompts_is_drawn() -> None:
    first, second = prompt(0, [(8, 8)], (1,)), prompt(0, [(8, 8), (24, 24)], (1, 0))
    both = draw_frames(*clip(), (first, second), tile=64)[0]
    assert np.array_equal(both, draw_frames(*clip(), (second,), tile=64)[0])
    assert not np.array_equal(both, draw_frames(*clip(), (first,), tile=64)[0])


def test_rows_of_a_sheet() -> None:
    frames, masks = clip()
    sheet = draw_sheet(
        [("one", draw_frames(frames, masks, tile=16)), ("two", draw_frames(frames[:1], masks[:1], tile=16))]
    )
    assert sheet.shape == (2 * (16 + GAP + CAPTION), 3 * (16 + GAP), 3)


def test_prompts_predictions_and_truth() -> None:
    frames, masks = clip(num_frames=12)
    sheet = draw_preview(Preview(frames, masks, masks & False, (prompt(0, [(8, 8)], (1,)),)), tile=16, max_frames=8)
    step = 16 + GAP + CAPTION
    assert sheet.shape == (3 * step, 8 * (16 + GAP), 3)
    prompts, predictions, truth = (sheet[row * step : row * step + 16, 16 + GAP : 2 * 16 + GAP] for row in range(3))
    assert np.array_equal(prompts, predictions)  # the second frame has no prompt, and no object is predicted
    assert not np.array_equal(predictions, truth)
