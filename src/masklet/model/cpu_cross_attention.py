"""Attention between a few tokens and all places of a picture, both ways, made cheap for processors.

Queries, keys and values are products with weights, and so is what attention gives. With few tokens it takes less work
to multiply the weights with the tokens and bring the result to the picture than to multiply them with the picture:
(x W)(t V)' = x (W V' t'). That has a column for each token and head in place of one for each feature inside.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.attention import Attention
from masklet.model.layers import eager_cpu

WORTH = 0.75
"""Columns, as a share of the features inside, up to which this was the faster way in float32."""


class TokensToPicture(Attention):
    """Each token looks at the picture."""

    def forward(
        self, q: Float[Tensor, "b n dim"], k: Float[Tensor, "p hw dim"], v: Float[Tensor, "p hw dim"]
    ) -> Float[Tensor, "b n dim"]:
        """As `Attention.forward`; one picture (p = 1) for many prompts is projected once instead."""
        if not _few(self, q) or len(k) != len(q):  # in this order: exporters would take compared lengths for fixed
            return super().forward(q, k, v)
        asked = self.heads(self.q_proj(q)) * (self.q_proj.out_features // self.num_heads) ** -0.5
        asked = asked @ _by_head(self, self.k_proj)  # the bias of keys moves all scores of a token alike
        seen = q.new_empty(*asked.shape[:3], v.shape[-1])
        for row, answer in enumerate(seen):
            scores = torch.mm(asked[row].flatten(0, 1), k[row].mT)
            torch.mm(torch.softmax(scores, dim=-1, out=scores), v[row], out=answer.flatten(0, 1))
        return self.merge(seen @ _by_head(self, self.v_proj).mT + _bias_by_head(self, self.v_proj))


class PictureToTokens(Attention):
    """Each place of the picture looks at the tokens."""

    def added(
        self,
        image: Float[Tensor, "p hw dim"],
        q: Float[Tensor, "p hw dim"],
        k: Float[Tensor, "b n dim"],
        v: Float[Tensor, "b n dim"],
    ) -> Float[Tensor, "b hw dim"]:
        """The picture plus what it sees, `Attention.forward` of the rest."""
        if not _few(self, k):
            return image + self.forward(q, k, v)
        keys = self.heads(self.k_proj(k)) * (self.k_proj.out_features // self.num_heads) ** -0.5
        shift = (keys * _bias_by_head(self, self.q_proj)).sum(-1, keepdim=True)
        keys = keys @ _by_head(self, self.q_proj)
        shown = self.heads(self.v_proj(v)) @ self.out_proj.weight.mT.unflatten(0, (self.num_heads, -1))
        shown[:, 0] += self.out_proj.bias  # the weights of each head sum to 1
        out = image.new_empty(len(k), *image.shape[1:])
        for row in range(len(k)):
            own = row if len(image) > 1 else 0
            scores = torch.addmm(shift[row].flatten(0, 1), keys[row].flatten(0, 1), q[own].mT)
            weights = scores.unflatten(0, keys.shape[1:3]).softmax(dim=1).flatten(0, 1)
            torch.addmm(image[own], weights.mT, shown[row].flatten(0, 1), out=out[row])
        return out


def _few(attention: Attention, tokens: Float[Tensor, "b n dim"]) -> bool:
    """Whether the tokens are so few that it pays, and all runs now, on a processor, with plain weights."""
    plain = type(attention.q_proj) is nn.Linear and eager_cpu(tokens)
    share = attention.num_heads * tokens.shape[1] / attention.q_proj.out_features
    return plain and share <= (1 if tokens.dtype == torch.bfloat16 else WORTH)  # torch's own attention is slow there


def _by_head(attention: Attention, layer: nn.Linear) -> Float[Tensor, "heads d dim"]:
    weight: Tensor = layer.weight.unflatten(0, (attention.num_heads, -1))
    return weight


def _bias_by_head(attention: Attention, layer: nn.Linear) -> Float[Tensor, "heads 1 d"]:
    bias: Tensor = layer.bias.unflatten(0, (attention.num_heads, 1, -1))
    return bias
