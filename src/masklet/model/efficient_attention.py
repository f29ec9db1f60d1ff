"""Efficient cross-attention of EfficientTAM (Xiong et al. 2024, arXiv 2411.18933): pooled keys and values."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from masklet.model.attention import RotaryAttention
from masklet.model.config import CrossAttention, TokenLayout

POOL = 2
"""Side of the cells that are averaged."""
BIAS = math.log(POOL**2)
"""Logarithm of the number of tokens for which a pooled one stands."""


class EfficientCrossAttention(RotaryAttention):
    """Attention to several memories whose rotated keys and values are averaged over cells of 2 x 2.

    A single memory, as on the frame after the first prompt, is attended to in full, and so are object pointers.

    Args:
        dim: channels of queries and of the output.
        key_dim: channels of keys and values.
        kind: whether the bias of ln 4 is added to the scores of pooled keys (equation 5 of the paper) or to their
            components (equation 6).
    """

    def __init__(self, dim: int, *, key_dim: int, kind: CrossAttention) -> None:
        super().__init__(dim, 1, key_dim=key_dim)
        self.kind = kind

    def condense(
        self, k: Float[Tensor, "*b m d"], v: Float[Tensor, "*b m e"], layout: TokenLayout, num_pointer_tokens: int
    ) -> tuple[Float[Tensor, "*b n d"], Float[Tensor, "*b n e"], Float[Tensor, " n"] | None]:
        """Pool projected and rotated keys, and values; return also the bias of the scores."""
        if k.shape[-2] - num_pointer_tokens <= len(layout):
            return k, v, None
        (pooled_k, pointer_k), (pooled_v, pointer_v) = (_pool(t, layout, num_pointer_tokens) for t in (k, v))
        bias = None
        if self.kind == "pooled-key-bias":
            pooled_k = pooled_k + BIAS
        else:
            bias = torch.cat([k.new_full((pooled_k.shape[-2],), BIAS), k.new_zeros(num_pointer_tokens)])
        return torch.cat([pooled_k, pointer_k], dim=-2), torch.cat([pooled_v, pointer_v], dim=-2), bias


def _pool(
    tokens: Float[Tensor, "*b m d"], layout: TokenLayout, num_pointer_tokens: int
) -> tuple[Float[Tensor, "*b n d"], Float[Tensor, "*b p d"]]:
    """Average the tokens of spatial memories over cells; return them and the pointer tokens."""
    spatial, pointers = tokens.split([tokens.shape[-2] - num_pointer_tokens, num_pointer_tokens], dim=-2)
    height, width = layout.grid
    cells = spatial.unflatten(-2, (-1, height // POOL, POOL, width // POOL, POOL))
    return cells.mean(dim=(-4, -2)).flatten(-4, -2), pointers
