"""Memory attention: the picture is shared until the first look at a memory, and objects do not mix."""

from __future__ import annotations

import torch

from masklet.model.config import TokenLayout
from masklet.model.memory_attention import MemoryAttention

GRID = TokenLayout((3, 3))


@torch.inference_mode()
def test_objects_do_not_mix() -> None:
    torch.manual_seed(0)
    attention = MemoryAttention(16, 8, 2, 24).eval()
    embedding, keys, values = torch.randn(1, 16, 3, 3), torch.randn(4, 20, 8), torch.randn(4, 20, 8)
    together = attention(embedding, keys, values, GRID, 2)  # two maps of 9 tokens and two tokens of pointers
    assert together.shape == (4, 16, 3, 3)
    for row in range(4):
        alone = attention(embedding, keys[[row]], values[[row]], GRID, 2)
        torch.testing.assert_close(together[[row]], alone, atol=1e-5, rtol=1e-5)
    repeated = attention(embedding.expand(4, -1, -1, -1), keys, values, GRID, 2)
    torch.testing.assert_close(repeated, together, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_pointers_have_no_place() -> None:
    """Tokens of pointers may stand in any order; tokens of a map may not."""
    torch.manual_seed(0)
    attention = MemoryAttention(16, 8, 1, 24).eval()
    embedding, keys = torch.randn(1, 16, 3, 3), torch.randn(1, 13, 8)
    expected = attention(embedding, keys, keys, GRID, 4)
    pointers = torch.cat([keys[:, :9], keys[:, [12, 10, 11, 9]]], dim=1)
    torch.testing.assert_close(attention(embedding, pointers, pointers, GRID, 4), expected, atol=1e-5, rtol=1e-5)
    turned = torch.cat([keys[:, :9].flip(1), keys[:, 9:]], dim=1)
    assert not torch.allclose(attention(embedding, turned, turned, GRID, 4), expected, atol=1e-3)
