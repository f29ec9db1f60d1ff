"""Position codes against their formulas, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from masklet.model.position import RandomFourierEncoding, apply_rotary, rotary_table, sine_encoding_1d, sine_encoding_2d

CPU = torch.device("cpu")


@pytest.mark.parametrize(("height", "width"), [(4, 4), (3, 5), (1, 1)])
def test_sine_grid(height: int, width: int) -> None:
    code = sine_encoding_2d(8, height, width, CPU)
    assert code.shape == (1, 8, height, width)
    for y in range(height):
        for x in range(width):
            for half, place, length in ((0, y, height), (4, x, width)):
                angle = (place + 1) / (length + 1e-6) * 2 * math.pi
                expected = [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]
                assert code[0, half : half + 4, y, x].tolist() == pytest.approx(expected, abs=1e-5)


def test_sine_times() -> None:
    code = sine_encoding_1d(torch.tensor([[0.0, 0.5, -1.0]]), 8)
    assert code.shape == (1, 3, 8)
    for row, time in enumerate((0.0, 0.5, -1.0)):
        angles = [time, time, time / 100, time / 100]
        expected = [*map(math.sin, angles), *map(math.cos, angles)]
        assert code[0, row].tolist() == pytest.approx(expected, abs=1e-6)


def test_rotation_keeps_lengths_and_sees_only_distances() -> None:
    """The score of a query and a key turned by their places depends on the distance of the places alone."""
    table = rotary_table(8, 4, 6, CPU)
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    queries, keys = apply_rotary(q.expand(24, 8), table), apply_rotary(k.expand(24, 8), table)
    torch.testing.assert_close(queries.norm(dim=-1), q.norm().expand(24))
    torch.testing.assert_close(queries[0], q)  # the place (0, 0) does not turn
    scores = (queries @ keys.T).view(4, 6, 4, 6)
    torch.testing.assert_close(scores[0, 1, 2, 4], scores[1, 2, 3, 5], atol=1e-5, rtol=0)
    torch.testing.assert_close(scores[3, 0, 1, 0], scores[2, 5, 0, 5], atol=1e-5, rtol=0)
    assert (scores[0, 0, 0, 1] - scores[0, 0, 1, 0]).abs() > 1e-3  # along x and along y are different


def test_rotation_by_hand() -> None:
    cos, sin = rotary_table(8, 2, 3, CPU)
    assert cos.shape == sin.shape == (6, 4)
    row = 5  # the place x = 2, y = 1
    angles = [2.0, 2.0 / 100, 1.0, 1.0 / 100]
    assert cos[row].tolist() == pytest.approx([math.cos(a) for a in angles], abs=1e-6)
    assert sin[row].tolist() == pytest.approx([math.sin(a) for a in angles], abs=1e-6)
    turned = apply_rotary(torch.tensor([[1.0, 0, 0, 1, 0, 0, 0, 0]]), (cos[row : row + 1], sin[row : row + 1]))
    expected = [math.cos(2), math.sin(2), -math.sin(0.02), math.cos(0.02), 0, 0, 0, 0]
    assert turned[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_tables_serve_training_and_inference() -> None:
    """A table first made in inference mode must not poison a later gradient."""
    with torch.inference_mode():
        code = sine_encoding_2d(8, 7, 9, CPU)
        table = rotary_table(8, 7, 9, CPU)
    assert not code.is_inference()
    weight = torch.ones(8, requires_grad=True)
    (code * weight[:, None, None]).sum().backward()
    apply_rotary(weight.expand(63, 8), table).sum().backward()
    assert weight.grad is not None


def test_tables_are_computed_once() -> None:
    assert sine_encoding_2d(8, 3, 4, CPU) is sine_encoding_2d(8, 3, 4, CPU)
    assert rotary_table(8, 3, 4, CPU) is rotary_table(8, 3, 4, CPU)


def test_random_fourier() -> None:
    code = RandomFourierEncoding(8)
    code.positional_encoding_gaussian_matrix.copy_(torch.tensor([[0.5, 0, 1, 0], [0, 0.25, 0, 1]]))
    found = code(torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
    angles = [2 * math.pi * a for a in (0.25, -0.125, 0.5, -0.5)]
    assert found[0].tolist() == pytest.approx([*map(math.sin, angles), *map(math.cos, angles)], abs=1e-6)
    assert found[1].tolist() == pytest.approx([0] * 4 + [1] * 4)
    grid = code.grid(2, 4)
    assert grid.shape == (1, 8, 2, 4)
    torch.testing.assert_close(grid[0, :, 1, 2], code(torch.tensor([[2.5 / 4, 1.5 / 2]]))[0])
    assert code.bfloat16()(torch.tensor([[0.5, 0.5]])).dtype == torch.float32
