"""Multi-head attention, plain or with rotary position embedding (RoPE)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import TokenLayout
from masklet.model.cpu_attention import chunked_attention
from masklet.model.layers import eager_cpu, fused_linear, linear
from masklet.model.position import apply_rotary, rotary_table

MAX_COLUMN_SHARE = 0.75
"""Largest ratio of columns to projected channels for which cross-attention in `_few` is faster (float32, measured)."""
ROTARY_CHUNK_TOKENS = 4096
"""Approximate number of tokens that are rotated at a time on a CPU, so that they stay in its caches."""


class Attention(nn.Module):
    """Multi-head attention with separate projections of queries, keys and values.

    Args:
        dim: channels of queries and of the output.
        num_heads: number of heads.
        inner_dim: channels after projection, over all heads (default ``dim``).
        key_dim: channels of keys and values (default ``dim``).
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
        return linear(rearrange(x, "b heads n d -> b n (heads d)"), self.out_proj)

    def forward(
        self, q: Float[Tensor, "b n dim"], k: Float[Tensor, "b2 m key"], v: Float[Tensor, "b2 m key"]
    ) -> Float[Tensor, "b3 n dim"]:
        """Attend; a batch of 1 of queries or of keys is broadcast over the other."""
        q, k, v = (self.heads(linear(x, layer)) for x, layer in ((q, self.q_proj), (k, self.k_proj), (v, self.v_proj)))
        count = max(q.shape[0], k.shape[0])
        q, k, v = (x.expand(count, -1, -1, -1) for x in (q, k, v))
        return self.merge(F.scaled_dot_product_attention(q, k, v))


class RotaryAttention(Attention):
    """Attention with 2-D rotary position embedding of queries and keys (RoPE, paper section 4).

    Keys may be several spatial memories one after the other, each with the same layout and rotated by the same table,
    followed by tokens without a spatial position (object pointers), which are not rotated.
    """

    def forward(  # type: ignore[override]
        self,
        q: Float[Tensor, "b n dim"],
        k: Float[Tensor, "b2 m key"],
        v: Float[Tensor, "b2 m key"],
        grid: tuple[int, int],
        layout: TokenLayout,
        num_pointer_tokens: int = 0,
        key_scale: Float[Tensor, "b2 m"] | None = None,
    ) -> Float[Tensor, "b2 n dim"]:
        """Attend; a batch of 1 of queries is broadcast over several sets of keys.

        Args:
            q: queries, one map.
            k: keys: spatial memories, then tokens without a position.
            v: values.
            grid: (height, width) of the queries.
            layout: of the tokens of each spatial memory.
            num_pointer_tokens: number of keys at the end that have no position.
            key_scale: factor on each projected key, and so on its attention logits.
        """
        if self.num_heads == 1 and eager_cpu(q):
            return self._forward_cpu(q, k, v, grid, layout, num_pointer_tokens, key_scale)
        q, k, v = self.heads(self.q_proj(q)), self.heads(self.k_proj(k)), self.heads(self.v_proj(v))
        k = self._rotate_keys(k, layout, num_pointer_tokens)
        if key_scale is not None:
            k = k * key_scale[:, None, :, None]
        k, v, bias = self.condense(k, v, layout, num_pointer_tokens)
        q = apply_rotary(q, rotary_table(q.shape[-1], *grid, q.device)).expand(k.shape[0], -1, -1, -1)
        mask = None if bias is None else bias.to(q.dtype).expand(1, 1, q.shape[2], -1)  # ONNX expects every query
        return self.merge(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))

    def condense(
        self, k: Float[Tensor, "*b m d"], v: Float[Tensor, "*b m e"], layout: TokenLayout, num_pointer_tokens: int
    ) -> tuple[Float[Tensor, "*b n d"], Float[Tensor, "*b n e"], Float[Tensor, " n"] | None]:
        """Reduce the keys and values before attention, for subclasses; return also a bias of the scores of each key."""
        del layout, num_pointer_tokens
        return k, v, None

    def _rotate_keys(
        self, k: Float[Tensor, "b heads m d"], layout: TokenLayout, num_pointer_tokens: int
    ) -> Float[Tensor, "b heads m d"]:
        """Rotate the tokens of the grid of each spatial memory."""
        table = rotary_table(k.shape[-1], *layout.grid, k.device)
        spatial, pointers = k.split([k.shape[2] - num_pointer_tokens, num_pointer_tokens], dim=2)
        memories = spatial.unflatten(2, (-1, len(layout)))
        rotated = apply_rotary(memories[..., layout.num_global :, :], table)
        if layout.num_global:
            rotated = torch.cat([memories[..., : layout.num_global, :], rotated], dim=3)
        return torch.cat([rotated.flatten(2, 3), pointers], dim=2) if num_pointer_tokens else rotated.flatten(2, 3)

    def _forward_cpu(
        self,
        q: Float[Tensor, "b n dim"],
        k: Float[Tensor, "b2 m key"],
        v: Float[Tensor, "b2 m key"],
        grid: tuple[int, int],
        layout: TokenLayout,
        num_pointer_tokens: int,
        key_scale: Float[Tensor, "b2 m"] | None,
    ) -> Float[Tensor, "b2 n dim"]:
        """Compute the same on a CPU, projecting values after averaging them if that is less work.

        Attention weights sum to 1, so the two orders are equivalent; memories have fewer channels than the projection.
        """
        q = self._project_and_rotate(q, self.q_proj, TokenLayout(grid), 0).mul_(self.q_proj.out_features**-0.5)
        project_late = v.shape[-1] < q.shape[-1]
        v = v if project_late else linear(v, self.v_proj)
        out = q.new_empty(len(k), q.shape[1], v.shape[-1])
        for row, output in enumerate(out):
            keys = self._project_and_rotate(k[row], self.k_proj, layout, num_pointer_tokens)
            if key_scale is not None:
                keys *= key_scale[row, :, None]
            keys, values, bias = self.condense(keys, v[row], layout, num_pointer_tokens)
            chunked_attention(q[row if len(q) > 1 else 0], keys, values, bias, out=output)
        return linear(linear(out, self.v_proj) if project_late else out, self.out_proj)

    def _project_and_rotate(
        self, x: Float[Tensor, "*b n c"], layer: nn.Linear, layout: TokenLayout, num_pointer_tokens: int
    ) -> Float[Tensor, "*b n inner"]:
        """Project and rotate tokens, with the first channels of all pairs before the second ones.

        That order is faster to rotate, and dot products of queries and keys do not depend on it.
        """
        weight, bias = (rearrange(t, "(pairs two) ... -> (two pairs) ...", two=2) for t in (layer.weight, layer.bias))
        out, num_spatial = x.new_empty(*x.shape[:-1], len(weight)), x.shape[-2] - num_pointer_tokens
        if num_pointer_tokens:
            out[..., num_spatial:, :] = fused_linear(x[..., num_spatial:, :], weight, bias)
        cos, sin = rotary_table(len(weight), *layout.grid, x.device, x.dtype)
        memories = (t[..., :num_spatial, :].unflatten(-2, (-1, len(layout))) for t in (x, out))
        for chunk, target in zip(
            *(t.split(max(ROTARY_CHUNK_TOKENS // len(layout), 1), dim=-3) for t in memories), strict=True
        ):
            projected, first_placed = fused_linear(chunk, weight, bias), layout.num_global
            target[..., :first_placed, :] = projected[..., :first_placed, :]
            (a, b), (first, second) = (t[..., first_placed:, :].chunk(2, dim=-1) for t in (projected, target))
            torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
            torch.mul(a, sin, out=second).addcmul_(b, cos)
        return out


class TokenToImageAttention(Attention):
    """Cross-attention from tokens to the image."""

    def forward(
        self, q: Float[Tensor, "b n dim"], k: Float[Tensor, "p hw dim"], v: Float[Tensor, "p hw dim"]
    ) -> Float[Tensor, "b n dim"]:
        """Attend as `Attention.forward`; the image of many prompts (p = 1) is projected once instead."""
        if not _few(self, q) or len(k) != len(q):  # in this order: an exporter would specialize on compared lengths
            return super().forward(q, k, v)
        queries = self.heads(self.q_proj(q)) * (self.q_proj.out_features // self.num_heads) ** -0.5
        queries = queries @ _by_head(self, self.k_proj)  # the bias of the keys shifts all scores of a token equally
        attended = q.new_empty(*queries.shape[:3], v.shape[-1])
        for row, output in enumerate(attended):
            scores = torch.mm(queries[row].flatten(0, 1), k[row].mT)
            torch.mm(torch.softmax(scores, dim=-1, out=scores), v[row], out=output.flatten(0, 1))
        return self.merge(attended @ _by_head(self, self.v_proj).mT + _bias_by_head(self, self.v_proj))


class ImageToTokenAttention(Attention):
    """Cross-attention from the image to tokens."""

    def forward_residual(
        self,
        image: Float[Tensor, "p hw dim"],
        q: Float[Tensor, "p hw dim"],
        k: Float[Tensor, "b n dim"],
        v: Float[Tensor, "b n dim"],
    ) -> Float[Tensor, "b hw dim"]:
        """Return the image plus `Attention.forward` of the other arguments."""
        if not _few(self, k):
            return image + self.forward(q, k, v)
        keys = self.heads(self.k_proj(k)) * (self.k_proj.out_features // self.num_heads) ** -0.5
        shift = (keys * _bias_by_head(self, self.q_proj)).sum(-1, keepdim=True)
        keys = keys @ _by_head(self, self.q_proj)
        values = self.heads(self.v_proj(v)) @ self.out_proj.weight.mT.unflatten(0, (self.num_heads, -1))
        values[:, 0] += self.out_proj.bias  # the weights of each head sum to 1
        out = image.new_empty(len(k), *image.shape[1:])
        for row in range(len(k)):
            own = row if len(image) > 1 else 0
            scores = torch.addmm(shift[row].flatten(0, 1), keys[row].flatten(0, 1), q[own].mT)
            weights = scores.unflatten(0, keys.shape[1:3]).softmax(dim=1).flatten(0, 1)
            torch.addmm(image[own], weights.mT, values[row].flatten(0, 1), out=out[row])
        return out


def _few(attention: Attention, tokens: Float[Tensor, "b n dim"]) -> bool:
    """Whether there are few enough tokens, and the computation runs eagerly on a CPU with plain linear layers."""
    plain = type(attention.q_proj) is nn.Linear and eager_cpu(tokens)
    share = attention.num_heads * tokens.shape[1] / attention.q_proj.out_features
    return plain and share <= (
        1 if tokens.dtype == torch.bfloat16 else MAX_COLUMN_SHARE
    )  # torch's attention is slow in bfloat16


def _by_head(attention: Attention, layer: nn.Linear) -> Float[Tensor, "heads d dim"]:
    weight: Tensor = layer.weight.unflatten(0, (attention.num_heads, -1))
    return weight


def _bias_by_head(attention: Attention, layer: nn.Linear) -> Float[Tensor, "heads 1 d"]:
    bias: Tensor = layer.bias.unflatten(0, (attention.num_heads, 1, -1))
    return bias
