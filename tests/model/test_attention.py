"""Attention against the textbook, and how rotary keys are laid out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from masklet.model.attention import Attention, ImageToTokenAttention, RotaryAttention, TokenToImageAttention
from masklet.model.config import TokenLayout
from masklet.model.position import apply_rotary, rotary_table

CPU = torch.device("cpu")


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def textbook(layer: Attention, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Attention of projected (n, d) tokens, head by head."""
    out = []
    for head_q, head_k, head_v in zip(*(t.chunk(layer.num_heads, dim=-1) for t in (q, k, v)), strict=True):
        weights = (head_q @ head_k.T / head_q.shape[-1] ** 0.5).softmax(dim=-1)
        out.append(weights @ head_v)
    return layer.out_proj(torch.cat(out, dim=-1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("num_heads", "inner_dim", "key_dim"), [(1, None, None), (4, None, None), (2, 4, 6)])
@torch.no_grad()
def test_attention(draw: torch.Generator, num_heads: int, inner_dim: int | None, key_dim: int | None) -> None:
    layer = Attention(8, num_heads, inner_dim=inner_dim, key_dim=key_dim)
    q = torch.randn(3, 5, 8, generator=draw)
    k, v = torch.randn(2, 3, 7, key_dim or 8, generator=draw)
    found = layer(q, k, v)
    for row in range(3):
        expected = textbook(layer, layer.q_proj(q[row]), layer.k_proj(k[row]), layer.v_proj(v[row]))
        torch.testing.assert_close(found[row], expected)


@torch.no_grad()
def test_rotary_attention(draw: torch.Generator) -> None:
    """Two grids of keys turned by the same table, then two keys without a place; one query set for all."""
    layer = RotaryAttention(8, 1, key_dim=4)
    q = torch.randn(1, 6, 8, generator=draw)
    k, v = torch.randn(2, 3, 14, 4, generator=draw)
    found = layer(q, k, v, (2, 3), TokenLayout((2, 3)), 2)
    assert found.shape == (3, 6, 8)
    table = rotary_table(8, 2, 3, CPU)
    turned_q = apply_rotary(layer.q_proj(q[0]), table)
    for row in range(3):
        keys = layer.k_proj(k[row])
        turned = torch.cat([apply_rotary(keys[:6], table), apply_rotary(keys[6:12], table), keys[12:]])
        torch.testing.assert_close(found[row], textbook(layer, turned_q, turned, layer.v_proj(v[row])))


@torch.no_grad()
@pytest.mark.parametrize("exact", [False, True])
def test_rotary_attention_to_tokens_without_a_position(draw: torch.Generator, exact: bool) -> None:
    """Two memories of one token without a position and a grid, then a pointer; with and without autograd."""
    layer = RotaryAttention(8, 1, key_dim=4)
    q, (k, v) = torch.randn(1, 6, 8, generator=draw), torch.randn(2, 1, 11, 4, generator=draw)
    with torch.set_grad_enabled(exact):
        found = layer(q, k, v, (2, 3), TokenLayout((2, 2), 1), 1)
    table, keys = rotary_table(8, 2, 2, CPU), layer.k_proj(k[0])
    first, second = apply_rotary(keys[1:5], table), apply_rotary(keys[6:10], table)
    turned = torch.cat([keys[:1], first, keys[5:6], second, keys[10:]])
    turned_q = apply_rotary(layer.q_proj(q[0]), rotary_table(8, 2, 3, CPU))
    torch.testing.assert_close(found[0], textbook(layer, turned_q, turned, layer.v_proj(v[0])))


@torch.no_grad()
def test_rotary_self_attention(draw: torch.Generator) -> None:
    layer = RotaryAttention(8, 1)
    x = torch.randn(2, 6, 8, generator=draw)
    table = rotary_table(8, 3, 2, CPU)
    found = layer(x, x, x, (3, 2), TokenLayout((3, 2)))
    for row in range(2):
        q, k = (apply_rotary(project(x[row]), table) for project in (layer.q_proj, layer.k_proj))
        torch.testing.assert_close(found[row], textbook(layer, q, k, layer.v_proj(x[row])))


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
