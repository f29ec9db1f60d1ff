"""Attention between two sets of tokens, plain or with a rotary position code."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.cpu_attention import average
from masklet.model.layers import dense, eager_cpu, matrix
from masklet.model.position import rotary_table, rotate

TURNED = 4096
"""About so many tokens at a time get their rotary code, so that they stay in a processor's caches."""


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
        return dense(rearrange(x, "b heads n d -> b n (heads d)"), self.out_proj)

    def forward(
        self, q: Float[Tensor, "b n dim"], k: Float[Tensor, "b2 m key"], v: Float[Tensor, "b2 m key"]
    ) -> Float[Tensor, "b3 n dim"]:
        """Attend; one set of queries serves several sets of keys, and the other way round."""
        q, k, v = (self.heads(dense(x, layer)) for x, layer in ((q, self.q_proj), (k, self.k_proj), (v, self.v_proj)))
        count = max(q.shape[0], k.shape[0])
        q, k, v = (x.expand(count, -1, -1, -1) for x in (q, k, v))
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
        key_scale: Float[Tensor, "b2 m"] | None = None,
    ) -> Float[Tensor, "b2 n dim"]:
        """Attend; ``placeless`` keys at the end have no place. One set of queries serves several sets of keys.

        ``key_scale`` multiplies each key after its projection, and so every attention logit of it.
        """
        if self.num_heads == 1 and eager_cpu(q):
            return self._on_processor(q, k, v, grid, placeless, key_scale)
        q, k, v = self.heads(self.q_proj(q)), self.heads(self.k_proj(k)), self.heads(self.v_proj(v))
        table = rotary_table(q.shape[-1], *grid, q.device)
        placed = k.shape[2] - placeless
        maps = k[:, :, :placed].unflatten(2, (-1, grid[0] * grid[1]))
        turned = rotate(maps, table).flatten(2, 3)
        k = torch.cat([turned, k[:, :, placed:]], dim=2) if placeless else turned
        if key_scale is not None:
            k = k * key_scale[:, None, :, None]
        q = rotate(q, table).expand(k.shape[0], -1, -1, -1)
        return self.merge(F.scaled_dot_product_attention(q, k, v))

    def _on_processor(
        self,
        q: Float[Tensor, "b n dim"],
        k: Float[Tensor, "b2 m key"],
        v: Float[Tensor, "b2 m key"],
        grid: tuple[int, int],
        placeless: int,
        key_scale: Float[Tensor, "b2 m"] | None,
    ) -> Float[Tensor, "b2 n dim"]:
        """The same for processors, where memories have fewer features than the attention between them and the picture.

        The weights of attention sum to 1, so values may be projected after they are averaged: one product then has as
        many columns as a memory has features.
        """
        q = self._turned(q, self.q_proj, grid, 0).mul_(self.q_proj.out_features**-0.5)
        late = v.shape[-1] < q.shape[-1]
        v = v if late else dense(v, self.v_proj)
        out = q.new_empty(len(k), q.shape[1], v.shape[-1])
        for row, answers in enumerate(out):
            keys = self._turned(k[row], self.k_proj, grid, placeless)
            if key_scale is not None:
                keys *= key_scale[row, :, None]
            average(q[row if len(q) > 1 else 0], keys, v[row], out=answers)
        return dense(dense(out, self.v_proj) if late else out, self.out_proj)

    def _turned(
        self, x: Float[Tensor, "*b n c"], layer: nn.Linear, grid: tuple[int, int], placeless: int
    ) -> Float[Tensor, "*b n inner"]:
        """Projected and turned. The first features of all pairs come before the second ones.

        Side by side they are turned faster, and products of queries and keys are the same in any order of features.
        """
        weight, bias = (rearrange(t, "(pairs two) ... -> (two pairs) ...", two=2) for t in (layer.weight, layer.bias))
        out, placed = x.new_empty(*x.shape[:-1], len(weight)), x.shape[-2] - placeless
        if placeless:
            out[..., placed:, :] = matrix(x[..., placed:, :], weight, bias)
        cos, sin = rotary_table(len(weight), *grid, x.device, x.dtype)
        maps = (t[..., :placed, :].unflatten(-2, (-1, len(cos))) for t in (x, out))
        for some, turned in zip(*(t.split(max(TURNED // len(cos), 1), dim=-3) for t in maps), strict=True):
            (a, b), (first, second) = (t.chunk(2, dim=-1) for t in (matrix(some, weight, bias), turned))
            torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
            torch.mul(a, sin, out=second).addcmul_(b, cos)
        return out
