"""Memory attention: conditions the features of a frame on memories of an object (paper section 4)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.attention import RotaryAttention
from masklet.model.config import CrossAttention, TokenLayout
from masklet.model.efficient_attention import EfficientCrossAttention
from masklet.model.layers import linear
from masklet.model.position import sine_encoding_2d


class MemoryAttentionLayer(nn.Module):
    """Pre-norm transformer layer: self-attention, cross-attention to the memories, feed-forward network."""

    def __init__(self, dim: int, memory_dim: int, ffn: int, cross_attention: CrossAttention) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(dim, 1)
        self.cross_attn_image = (
            RotaryAttention(dim, 1, key_dim=memory_dim)
            if cross_attention == "full"
            else EfficientCrossAttention(dim, key_dim=memory_dim, kind=cross_attention)
        )
        self.linear1 = nn.Linear(dim, ffn)
        self.linear2 = nn.Linear(ffn, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self,
        x: Float[Tensor, "p hw c"],
        keys: Float[Tensor, "b m d"],
        values: Float[Tensor, "b m d"],
        grid: tuple[int, int],
        layout: TokenLayout,
        num_pointer_tokens: int,
        key_scale: Float[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b hw c"]:
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed, normed, grid, TokenLayout(grid))
        x = x + self.cross_attn_image(self.norm2(x), keys, values, grid, layout, num_pointer_tokens, key_scale)
        return linear(linear(self.norm3(x), self.linear1, "relu"), self.linear2, residual=x)


class MemoryAttention(nn.Module):
    """Stack of layers; the first self-attention is shared by all objects."""

    def __init__(
        self, dim: int, memory_dim: int, num_layers: int, ffn: int, cross_attention: CrossAttention = "full"
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MemoryAttentionLayer(dim, memory_dim, ffn, cross_attention) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        embedding: Float[Tensor, "p c h w"],
        keys: Float[Tensor, "b m d"],
        values: Float[Tensor, "b m d"],
        layout: TokenLayout,
        num_pointer_tokens: int,
        key_scale: Float[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """Condition the embedding of a frame on memories.

        Args:
            embedding: of one image (p = 1), shared by all objects, or of one image per object.
            keys: memory tokens with positional encodings.
            values: memory tokens without positional encodings.
            layout: of the tokens of each spatial memory.
            num_pointer_tokens: number of tokens at the end that come from object pointers and have no position.
            key_scale: factor on the keys of each memory token, or None for 1.
        """
        grid = (embedding.shape[-2], embedding.shape[-1])
        encoding = sine_encoding_2d(embedding.shape[1], *grid, embedding.device).to(embedding.dtype)
        x = (embedding + 0.1 * encoding).flatten(2).mT
        for layer in self.layers:
            x = layer(x, keys, values, grid, layout, num_pointer_tokens, key_scale)
        conditioned: Tensor = self.norm(x).mT.unflatten(2, grid)
        return conditioned
