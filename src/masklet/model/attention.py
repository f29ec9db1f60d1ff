"""Attention between two sets of tokens, plain or with a rotary position code."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.position import rotary_table, rotate


class Attention(nn.Module):
    """Multi-head attention with separate projections of queries, keys and values.

    Args:
        dim: features of queries and of the output.
        num_heads: heads.
        inner_dim: features inside, all heads together (default ``dim``).
        key_dim: features of keys and values (default ``dim``).
    """

    def __init__(self, dim: int, num_heads: int, *, inner_dim: int | None = None, key_dim: int | None = None) -> None:
        super().__init__()
        inner, key = inner_dim or dim, key_dim or dim
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, inner)
        self.k_proj = nn.Linear(key, inner)
        self.v_proj = nn.Linear(key, inner)
        self.out_proj = nn.Linear(inner, dim)

    def heads(self, x: Float[Tensor, "b n inner"]) -> Float[Tensor, "b heads n d"]:
        return rearrange(x, "b n (heads d) -> b heads n d", heads=self.num_heads)

    def merge(self, x: Float[Tensor, "b heads n d"]) -> Float[Tensor, "b n dim"]:
        out: Tensor = self.out_proj(rearrange(x, "b heads n d -> b n (heads d)"))
        return out

    def forward(
        self, q: Float[Tensor, "b n dim"], k: Float[Tensor, "b m key"], v: Float[Tensor, "b m key"]
    ) -> Float[Tensor, "b n dim"]:
        q, k, v = self.heads(self.q_proj(q)), self.heads(self.k_proj(k)), self.heads(self.v_proj(v))
        return self.merge(F.scaled_dot_product_attention(q, k, v))


class RotaryAttention(Attention):
    """Attention whose queries and keys carry the 2-D rotary code of a grid (paper section 4, RoPE).

    Keys may hold several grids one after the other, each turned by the same table, and then tokens without a place
    (object pointers), which are not turned.
    """

    def forward(  # type: ignore[override]
        self,
        q: Float[Tensor, "b n dim"],
        k: Float[Tensor, "b2 m key"],
        v: Float[Tensor, "b2 m key"],
        grid: tuple[int, int],
        placeless: int = 0,
    ) -> Float[Tensor, "b2 n dim"]:
        """Attend; ``placeless`` keys at the end have no place. One set of queries serves several sets of keys."""
        q, k, v = self.heads(self.q_proj(q)), self.heads(self.k_proj(k)), self.heads(self.v_proj(v))
        table = rotary_table(q.shape[-1], *grid, q.device)
        placed = k.shape[2] - placeless
        maps = k[:, :, :placed].unflatten(2, (-1, grid[0] * grid[1]))
        turned = rotate(maps, table).flatten(2, 3)
        k = torch.cat([turned, k[:, :, placed:]], dim=2) if placeless else turned
        q = rotate(q, table).expand(len(k), -1, -1, -1)
        return self.merge(F.scaled_dot_product_attention(q, k, v))
