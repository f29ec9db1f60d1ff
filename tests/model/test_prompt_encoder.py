"""Prompt tokens, the dense code, and clicks and boxes drawn into a mask prompt."""

from __future__ import annotations

import pytest
import torch

from masklet.model.prompt_encoder import PromptEncoder, draw_prompts
from masklet.model.sam2 import Sam2


@pytest.fixture
def encoder(tiny: Sam2) -> PromptEncoder:
    return tiny.sam_prompt_encoder


def test_tokens(encoder: PromptEncoder) -> None:
    points = torch.tensor([[[10.0, 20.0], [30.0, 40.0], [5.5, 6.5], [60.0, 60.0]]])
    labels = torch.tensor([[1, 0, 2, 3]])
    tokens = encoder.sparse(points, labels, 64)
    assert tokens.shape == (1, 5, 32)
    for index, kind in enumerate((1, 0, 2, 3)):
        place = encoder.pe_layer((points[0, index] + 0.5)[None] / 64)[0]
        torch.testing.assert_close(
            tokens[0, index], place + encoder.get_parameter(f"point_embeddings.{kind}.weight")[0]
        )
    torch.testing.assert_close(tokens[0, 4], encoder.not_a_point_embed.weight[0])


def test_no_points_are_two_fillers(encoder: PromptEncoder) -> None:
    tokens = encoder.sparse(torch.zeros(3, 0, 2), torch.zeros(3, 0, dtype=torch.long), 64)
    torch.testing.assert_close(tokens, encoder.not_a_point_embed.weight.expand(3, 2, 32))


def test_dense_code(encoder: PromptEncoder) -> None:
    nothing = encoder.dense(None, (4, 4))
    torch.testing.assert_close(nothing, encoder.no_mask_embed.weight[:, :, None, None].expand(1, 32, 4, 4))
    masks = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    code = encoder.dense(masks, (4, 4))
    assert code.shape == (2, 32, 4, 4)
    torch.testing.assert_close(code[1:], encoder.dense(masks[1:], (4, 4)))


def drawn(points: list[tuple[float, float]], labels: list[int], previous: torch.Tensor | None = None) -> torch.Tensor:
    return draw_prompts(torch.tensor([points]), torch.tensor([labels]), previous, 32)[0, 0]


def test_click_is_a_disc() -> None:
    """At 32 pixels a cell is 4 pixels wide and the disc has a radius of 1.5 cells."""
    canvas = drawn([(14.0, 18.0)], [1])  # the middle of the cell (3, 4)
    expected = torch.zeros(8, 8)
    expected[3:6, 2:5] = 12
    assert torch.equal(canvas, expected)
    assert torch.equal(drawn([(14.0, 18.0)], [0]), -expected)


def test_large_pictures_have_larger_discs() -> None:
    canvas = draw_prompts(torch.tensor([[[256.0, 256.0]]]), torch.tensor([[1]]), None, 512)
    assert (canvas[0, 0] > 0).sum(dim=0).max() == 6  # 512 / 160 = 3.2 cells to each side of a corner


def test_later_clicks_cover_earlier_ones() -> None:
    canvas = drawn([(14.0, 18.0), (18.0, 18.0)], [1, 0])
    assert canvas[4].tolist() == [0, 0, 12, -12, -12, -12, 0, 0]


def test_box_without_an_earlier_answer() -> None:
    canvas = drawn([(8.0, 4.0), (24.0, 16.0)], [2, 3])
    expected = torch.full((8, 8), -2.0)
    expected[1:4, 2:6] = 2
    assert torch.equal(canvas, expected)


def test_box_with_click() -> None:
    canvas = drawn([(8.0, 4.0), (24.0, 16.0), (14.0, 10.0)], [2, 3, 0])
    assert canvas[2].tolist() == [-2, -2, -12, -12, -12, 2, -2, -2]


def test_earlier_answer_is_kept_and_box_not_drawn() -> None:
    previous = torch.linspace(-6, 6, 64).view(1, 1, 8, 8)
    untouched = previous.clone()
    canvas = drawn([(8.0, 4.0), (24.0, 16.0), (14.0, 18.0)], [2, 3, 1], previous)
    expected = previous[0, 0].clone()
    expected[3:6, 2:5] = 12
    assert torch.equal(canvas, expected)
    assert torch.equal(previous, untouched)


def test_objects_are_drawn_apart() -> None:
    points = torch.tensor([[[14.0, 18.0]], [[26.0, 6.0]]])
    both = draw_prompts(points, torch.tensor([[1], [0]]), None, 32)
    assert torch.equal(both[0, 0], drawn([(14.0, 18.0)], [1]))
    assert torch.equal(both[1, 0], drawn([(26.0, 6.0)], [0]))
