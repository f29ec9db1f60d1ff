"""Efficient cross-attention: equations 5 and 6 of the paper, written out."""

from __future__ import annotations

import math

import pytest
import torch

from masklet.model.attention import RotaryAttention
from masklet.model.config import CrossAttention, TokenLayout
from masklet.model.efficient_attention import EfficientCrossAttention
from masklet.model.position import apply_rotary, rotary_table

GRID, POINTERS = (4, 6), 3
LAYOUT = TokenLayout(GRID)


def inputs(memories: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    tokens = memories * len(LAYOUT) + POINTERS
    q, k, v = torch.randn(1, 24, 8, generator=draw), *torch.randn(2, 2, tokens, 4, generator=draw)
    return q, k, v


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", ["pooled-score-bias", "pooled-key-bias"])
def test_several_memories(kind: CrossAttention, exact: bool) -> None:
    """With and without autograd, which run different code on a CPU."""
    torch.manual_seed(0)
    layer = EfficientCrossAttention(8, key_dim=4, kind=kind)
    q, k, v = inputs(3)
    with torch.set_grad_enabled(exact):
        found = layer(q, k, v, GRID, LAYOUT, POINTERS)
    table, spatial = rotary_table(8, *GRID, q.device), 3 * len(LAYOUT)
    turned = apply_rotary(layer.q_proj(q[0]), table)
    for row in range(2):
        keys, values = layer.k_proj(k[row]), layer.v_proj(v[row])
        rotated = apply_rotary(keys[:spatial].unflatten(0, (3, -1)), table)
        pooled, pooled_values = (
            t.reshape(3, 2, 2, 3, 2, 8).mean(dim=(2, 4)).reshape(-1, 8) for t in (rotated, values[:spatial])
        )
        in_keys = math.log(4) if kind == "pooled-key-bias" else 0.0
        scores = turned @ torch.cat([pooled + in_keys, keys[spatial:]]).mT / 8**0.5
        scores[:, : len(pooled)] += math.log(4) if kind == "pooled-score-bias" else 0.0
        attended = scores.softmax(dim=-1) @ torch.cat([pooled_values, values[spatial:]])
        torch.testing.assert_close(found[row], layer.out_proj(attended), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_a_single_memory_is_attended_to_in_full() -> None:
    layer, full = EfficientCrossAttention(8, key_dim=4, kind="pooled-score-bias"), RotaryAttention(8, 1, key_dim=4)
    full.load_state_dict(layer.state_dict())
    q, k, v = inputs(1)
    arguments = q, k, v, GRID, LAYOUT, POINTERS
    assert torch.equal(layer(*arguments), full(*arguments))
