"""Synthetic inputs of `masklet bench`: frames, boxes, and models with random weights."""

from __future__ import annotations

import numpy as np
import torch

from masklet.cli.model_timing import grid_of_boxes, random_model, synthetic_frame
from masklet.cli.options import ModelOptions


def test_boxes_lie_apart_and_inside() -> None:
    by_object = grid_of_boxes((60, 90), 5)
    assert list(by_object) == [1, 2, 3, 4, 5]
    seen = np.zeros((60, 90), int)
    for prompts in by_object.values():
        prompts.check_inside((60, 90))
        assert prompts.box is not None
        x0, y0, x1, y1 = prompts.box.astype(int)
        seen[y0:y1, x0:x1] += 1
    assert seen.max() == 1


def test_frames_differ() -> None:
    first, second = synthetic_frame(0, (20, 30)), synthetic_frame(1, (20, 30))
    assert first.shape == (20, 30, 3)
    assert first.dtype == np.uint8
    assert (first != second).mean() > 0.5


def test_random_weights_are_the_same_each_time() -> None:
    options = ModelOptions(name="nano", image_size=64, dtype="bfloat16", device="cpu")
    one, other = random_model(options), random_model(options)
    assert one.config.image_size == 64
    assert one.dtype == torch.bfloat16
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
