"""Attention between tokens and a picture: with weights brought to the tokens it is the same attention."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from masklet.model.attention import Attention
from masklet.model.cpu_cross_attention import ImageToTokenAttention, TokenToImageAttention

DIM, HEADS, INNER, PLACES = 16, 4, 32, 50
FEW, MANY = 6, 9
"""Tokens that with all heads are three quarters of the features inside, and more than these."""


def plain(attention: Attention, *inputs: Tensor) -> Tensor:
    """The same weights as usual."""
    usual = Attention(DIM, HEADS, inner_dim=INNER).eval()
    usual.load_state_dict(attention.state_dict())
    answer: Tensor = usual(*inputs)
    return answer


def scene(pictures: int, prompts: int, tokens: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.randn(pictures, PLACES, DIM),
        torch.randn(pictures, PLACES, DIM),
        torch.randn(prompts, tokens, DIM),
        torch.randn(prompts, tokens, DIM),
    )


@pytest.mark.parametrize(("pictures", "prompts"), [(1, 1), (3, 3), (1, 3)])
@pytest.mark.parametrize("tokens", [1, FEW, MANY])
@torch.inference_mode()
def test_it_is_the_same_attention(pictures: int, prompts: int, tokens: int) -> None:
    torch.manual_seed(0)
    image, placed, coded, words = scene(pictures, prompts, tokens)
    there = TokenToImageAttention(DIM, HEADS, inner_dim=INNER).eval()
    back = ImageToTokenAttention(DIM, HEADS, inner_dim=INNER).eval()
    torch.testing.assert_close(there(coded, placed, image), plain(there, coded, placed, image), atol=1e-5, rtol=1e-5)
    seen = back.forward_residual(image, placed, coded, words)
    torch.testing.assert_close(seen, image + plain(back, placed, coded, words), atol=1e-5, rtol=1e-5)


def test_gradients_flow_through_it() -> None:
    torch.manual_seed(0)
    image, placed, coded, words = scene(1, 2, FEW)
    there, back = TokenToImageAttention(DIM, HEADS, inner_dim=INNER), ImageToTokenAttention(DIM, HEADS, inner_dim=INNER)
    (there(coded, placed, image).sum() + back.forward_residual(image, placed, coded, words).square().sum()).backward()
    assert all(weight.grad is not None for layer in (there, back) for weight in layer.parameters())


@torch.inference_mode()
def test_bfloat16_is_as_near_to_float32_as_plain_attention() -> None:
    torch.manual_seed(0)
    image, placed, coded, words = scene(1, 3, FEW)
    back = ImageToTokenAttention(DIM, HEADS, inner_dim=INNER).eval()
    exact = plain(back, placed, coded, words)
    usual = Attention(DIM, HEADS, inner_dim=INNER).eval()
    usual.load_state_dict(back.state_dict())
    rough = [x.bfloat16() for x in (placed, coded, words)]
    ours = back.bfloat16().forward_residual(torch.zeros_like(image).bfloat16(), *rough).float()
    theirs = usual.bfloat16()(*rough).float()
    assert (ours - exact).abs().mean() < 1.5 * (theirs - exact).abs().mean()
