"""Attention against the textbook, and how rotary keys are laid out."""

from __future__ import annotations

import pytest
import torch

from masklet.model.attention import Attention, RotaryAttention
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
    found = layer(q, k, v, (2, 3), 2)
    assert found.shape == (3, 6, 8)
    table = rotary_table(8, 2, 3, CPU)
    turned_q = apply_rotary(layer.q_proj(q[0]), table)
    for row in range(3):
        keys = layer.k_proj(k[row])
        turned = torch.cat([apply_rotary(keys[:6], table), apply_rotary(keys[6:12], table), keys[12:]])
        torch.testing.assert_close(found[row], textbook(layer, turned_q, turned, layer.v_proj(v[row])))


@torch.no_grad()
def test_rotary_self_attention(draw: torch.Generator) -> None:
    layer = RotaryAttention(8, 1)
    x = torch.randn(2, 6, 8, generator=draw)
    table = rotary_table(8, 3, 2, CPU)
    found = layer(x, x, x, (3, 2))
    for row in range(2):
        q, k = (apply_rotary(project(x[row]), table) for project in (layer.q_proj, layer.k_proj))
        torch.testing.assert_close(found[row], textbook(layer, q, k, layer.v_proj(x[row])))
