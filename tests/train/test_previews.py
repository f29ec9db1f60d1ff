"""Previews: masks and prompts at their places, and rows of them."""

from __future__ import annotations

import numpy as np
import torch

from masklet.io.overlay import POSITIVE
from masklet.model.tensors import PromptTensors
from masklet.train.previews import CAPTION, GAP, Preview, as_prompts, draw_frames, draw_preview, draw_sheet
from masklet.types import Prompts


def clip(num_frames: int = 3, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    frames = np.full((num_frames, side, side, 3), 100, np.uint8)
    masks = np.zeros((num_frames, 2, side, side), bool)
    masks[:, 0, 4:20, 4:20] = True
    return frames, masks


def test_masks_are_colored_and_frames_scaled() -> None:
    drawn = draw_frames(*clip(), tile=64)
    assert [image.shape for image in drawn] == [(64, 64, 3)] * 3
    assert (drawn[0][60, 60] == 100).all()
    assert (drawn[0][24, 24] != 100).any()


def test_prompts_are_drawn_at_their_places() -> None:
    prompts = {(1, 0): Prompts.click(24, 28), (2, 1): Prompts.from_box(2, 3, 20, 22)}
    plain = draw_frames(*clip(), tile=64)
    drawn = draw_frames(*clip(), prompts, tile=64)
    assert np.array_equal(plain[0], drawn[0])  # tracked, not prompted
    changed = np.argwhere((plain[1] != drawn[1]).any(2))
    assert abs(changed.mean(0) - (56, 48)).max() < 2  # row, column: scaled by two
    assert (drawn[1] == POSITIVE).all(2).any()
    assert (plain[2] != drawn[2]).any(2)[6:44, 4].mean() > 0.9  # the left side of the box


def test_points_become_clicks_and_a_box() -> None:
    points = torch.tensor([[[2.0, 3.0], [20.0, 22.0], [8.0, 8.0], [24.0, 24.0]]])
    found = as_prompts(PromptTensors(points, torch.tensor([[2, 3, 1, 0]])))
    assert found is not None
    assert found.box is not None
    assert found.box.tolist() == [2, 3, 20, 22]
    assert (found.points.tolist(), found.labels.tolist()) == ([[8, 8], [24, 24]], [1, 0])
    assert as_prompts(PromptTensors.none(1, torch.device("cpu"))) is None


def test_rows_of_a_sheet() -> None:
    frames, masks = clip()
    sheet = draw_sheet(
        [("one", draw_frames(frames, masks, tile=16)), ("two", draw_frames(frames[:1], masks[:1], tile=16))]
    )
    assert sheet.shape == (2 * (16 + GAP + CAPTION), 3 * (16 + GAP), 3)


def test_prompts_predictions_and_truth() -> None:
    frames, masks = clip(num_frames=12)
    sheet = draw_preview(Preview(frames, masks, masks & False, {(0, 0): Prompts.click(8, 8)}), tile=16, max_frames=8)
    step = 16 + GAP + CAPTION
    assert sheet.shape == (3 * step, 8 * (16 + GAP), 3)
    prompts, predictions, truth = (sheet[row * step : row * step + 16, 16 + GAP : 2 * 16 + GAP] for row in range(3))
    assert np.array_equal(prompts, predictions)  # the second frame has no prompt, and no object is predicted
    assert not np.array_equal(predictions, truth)
