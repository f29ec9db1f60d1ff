"""Attention between two sets of tokens, plain or with a rotary position code."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.layers import dense, eager_cpu
from masklet.model.position import rotary_rows, rotary_table, rotate

FEW_KEYS, FEW_QUERIES, MANY_QUERIES = 8192, 128, 512
"""Queries that look at up to so many keys at a time, and beyond: scores stay in the processor's caches, and each key is
fetched for many queries."""


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
            return self._by_blocks(q, k, v, grid, placeless, key_scale)
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

    def _by_blocks(
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
        many columns as a memory has features. Keys lie feature by feature, as the product with the queries wants them.
        """
        q = dense(q, self.q_proj)
        q = rotate(q, rotary_table(q.shape[-1], *grid, q.device)) * q.shape[-1] ** -0.5
        late = v.shape[-1] < q.shape[-1]
        if not late:
            v = dense(v, self.v_proj)
        out = q.new_empty(k.shape[0], q.shape[1], v.shape[-1])
        for row in range(k.shape[0]):
            keys = self._turned_keys(k[row], grid, placeless)
            if key_scale is not None:
                keys *= key_scale[row]
            _average(q[row if len(q) > 1 else 0], keys, v[row], out[row])
        return dense(dense(out, self.v_proj) if late else out, self.out_proj)

    def _turned_keys(
        self, k: Float[Tensor, "m key"], grid: tuple[int, int], placeless: int
    ) -> Float[Tensor, "inner m"]:
        """Keys of one object, projected and turned, a row for each feature."""
        keys = torch.addmm(self.k_proj.bias[:, None], self.k_proj.weight, k.mT)
        cos, sin = rotary_rows(len(keys), *grid, keys.device, keys.dtype)
        turned, placed = torch.empty_like(keys), len(k) - placeless
        turned[:, placed:] = keys[:, placed:]
        shape = (-1, 2, placed // cos.shape[-1], cos.shape[-1])
        (a, b), (x, y) = (
            t[:, :placed].unflatten(1, shape[2:]).unflatten(0, shape[:2]).unbind(1) for t in (keys, turned)
        )
        torch.mul(a, cos, out=x).addcmul_(b, sin, value=-1)
        torch.mul(a, sin, out=y).addcmul_(b, cos)
        return turned


def _average(
    q: Float[Tensor, "n inner"], keys: Float[Tensor, "inner m"], v: Float[Tensor, "m d"], out: Float[Tensor, "n d"]
) -> None:
    """Write softmax(q keys) v, some queries at a time."""
    step = FEW_QUERIES if keys.shape[1] <= FEW_KEYS else MANY_QUERIES
    scores = q.new_empty(min(step, len(q)), keys.shape[1])
    for some, answers in zip(q.split(step), out.split(step), strict=True):
        weights = torch.mm(some, keys, out=scores[: len(some)])
        torch.softmax(weights, dim=-1, out=weights)
        torch.mm(weights, v, out=answers)
