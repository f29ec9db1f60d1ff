"""Cross-attention between a few tokens and an image embedding, in both directions, optimized for CPUs.

With few tokens it is less work to multiply the projections with the tokens than with the image:
(x W)(t V)' = x (W V' t'), which has one column per token and head instead of one per channel.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.attention import Attention
from masklet.model.layers import eager_cpu

MAX_COLUMN_SHARE = 0.75
"""Largest ratio of columns to projected channels for which this order is faster in float32 (measured)."""


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
