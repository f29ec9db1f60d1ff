"""Pixels to the model's square frame and back, in literal numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.geometry import logits_to_image, mask_to_model, points_to_model, resize_to_square


@pytest.mark.parametrize(
    ("point", "size", "expected"),
    [
        ((0, 0), (48, 72), (0, 0)),
        ((72, 48), (48, 72), (64, 64)),
        ((36, 12), (48, 72), (32, 16)),
        ((35.5, 23.5), (48, 72), (35.5 * 64 / 72, 23.5 * 64 / 48)),
        ((1, 1), (1, 1), (64, 64)),
    ],
)
def test_points(point: tuple[float, float], size: tuple[int, int], expected: tuple[float, float]) -> None:
    found = points_to_model(np.array([point], np.float32), size, 64)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_no_points() -> None:
    assert points_to_model(np.zeros((0, 2), np.float32), (48, 72), 64).shape == (0, 2)


def test_stretch_averages_when_it_shrinks() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(64).expand(1, 1, 128, 128)
    shrunk = resize_to_square(stripes, 16)
    torch.testing.assert_close(shrunk[..., 2:-2], torch.full((1, 1, 16, 12), 0.5), atol=0.02, rtol=0)


def test_stretch_leaves_a_square_of_the_right_size() -> None:
    pixels = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(resize_to_square(pixels, 32), pixels)


def test_mask_keeps_what_is_at_least_half_inside() -> None:
    mask = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    mask[..., :4, :] = True
    assert mask_to_model(mask, 4)[0, 0].tolist() == [[1] * 4] * 2 + [[0] * 4] * 2


@given(st.integers(1, 90), st.integers(1, 90), st.data())
def test_no_mask_becomes_empty_but_an_empty_one(height: int, width: int, data: st.DataObject) -> None:
    mask = torch.zeros(3, 1, height, width, dtype=torch.bool)
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    mask[0, 0, y, x] = True
    mask[1] = True
    found = mask_to_model(mask, 32)
    assert set(found.unique().tolist()) <= {0, 1}
    assert found[0].any()
    assert found[1].all()
    assert not found[2].any()
    place = found[0, 0].nonzero().float().mean(dim=0) + 0.5
    assert abs(float(place[0]) - (y + 0.5) * 32 / height) <= 1 + 16 / height
    assert abs(float(place[1]) - (x + 0.5) * 32 / width) <= 1 + 16 / width


def test_logits_go_back_bilinearly() -> None:
    logits = torch.tensor([[-1.0, 3.0], [-1.0, 3.0]])[None, None]
    found = logits_to_image(logits, (1, 4))
    assert found.shape == (1, 1, 1, 4)
    torch.testing.assert_close(found[0, 0, 0], torch.tensor([-1.0, 0.0, 2.0, 3.0]))


@given(st.integers(1, 40), st.integers(1, 40))
def test_there_and_back_keeps_a_big_square(height: int, width: int) -> None:
    """What fills the left half of the model's frame fills the left half of any picture."""
    logits = torch.full((1, 1, 8, 8), -5.0)
    logits[..., :4] = 5.0
    masks = logits_to_image(logits, (height, width)) > 0
    columns = torch.arange(width) + 0.5
    inside = columns < width / 2
    undecided = columns == width / 2
    assert (masks[0, 0][:, ~undecided] == inside[~undecided]).all()
