"""Images and prompts as tensors: resizing, order and values."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from masklet.predict.preprocessing import frame_tensor, image_tensor, mask_tensor, prompt_tensors
from masklet.types import Prompts

CPU = torch.device("cpu")
NOISE = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)


def test_images_are_stretched_in_floating_point() -> None:
    pixels = image_tensor(NOISE, 32, CPU)
    assert pixels.shape == (1, 3, 32, 32)
    assert not torch.equal((pixels * 255).round() / 255, pixels)
    assert 0 <= pixels.min() < pixels.max() <= 1


def test_frames_are_stretched_in_8_bits() -> None:
    pixels = frame_tensor(NOISE, 32, CPU)
    expected = np.asarray(Image.fromarray(NOISE).resize((32, 32), Image.Resampling.BICUBIC)) / 255
    torch.testing.assert_close(pixels[0].permute(1, 2, 0), torch.tensor(expected, dtype=torch.float32))


def test_a_square_of_the_right_size_stays_as_it_is() -> None:
    square = NOISE[:32, :32]
    expected = torch.tensor(square / 255, dtype=torch.float32).permute(2, 0, 1)[None]
    torch.testing.assert_close(image_tensor(square, 32, CPU), expected)
    torch.testing.assert_close(frame_tensor(square, 32, CPU), expected)


def test_box_corners_come_before_clicks() -> None:
    prompts = Prompts.from_box(7, 5, 35, 25).and_click(14, 10).and_click(21, 15, positive=False)
    previous = torch.zeros(1, 1, 8, 8)
    tensors = prompt_tensors(prompts, (50, 70), 32, device=CPU, previous=previous)
    scale = torch.tensor([32 / 70, 32 / 50])
    expected = torch.tensor([[7.0, 5.0], [35.0, 25.0], [14.0, 10.0], [21.0, 15.0]]) * scale
    torch.testing.assert_close(tensors.points[0], expected)
    assert tensors.labels.tolist() == [[2, 3, 1, 0]]
    assert tensors.kind == (4, True)
    assert not tensors.ambiguous


def test_single_click() -> None:
    tensors = prompt_tensors(Prompts.click(70, 50), (50, 70), 32, device=CPU)
    assert tensors.points.tolist() == [[[32, 32]]]
    assert (tensors.kind, tensors.ambiguous) == ((1, False), True)


def test_masks_are_0_or_1_and_never_vanish() -> None:
    hair = np.zeros((500, 700), bool)
    hair[:, 350] = True
    tensor = mask_tensor(Prompts.from_mask(hair), 32, CPU)
    assert tensor.shape == (1, 1, 32, 32)
    assert set(tensor.unique().tolist()) == {0, 1}
    assert tensor[0, 0].nonzero()[:, 1].unique().tolist() == [16]
