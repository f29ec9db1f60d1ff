"""Memory attention: the picture's features look at what is remembered of an object (paper section 4)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.attention import RotaryAttention
from masklet.model.layers import dense
from masklet.model.position import sine_grid


class MemoryAttentionLayer(nn.Module):
    """Self-attention over the picture, cross-attention to the memories, feed-forward; normalized before each."""

    def __init__(self, dim: int, memory_dim: int, ffn: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(dim, 1)
        self.cross_attn_image = RotaryAttention(dim, 1, key_dim=memory_dim)
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
        num_pointer_tokens: int,
        key_scale: Float[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b hw c"]:
        normed = self.norm1(x)
        x = x + self.self_attn(normed, normed, normed, grid)
        x = x + self.cross_attn_image(self.norm2(x), keys, values, grid, num_pointer_tokens, key_scale)
        return dense(dense(self.norm3(x), self.linear1, "relu"), self.linear2, plus=x)


class MemoryAttention(nn.Module):
    """A stack of layers; objects share everything up to the first look at a memory."""

    def __init__(self, dim: int, memory_dim: int, num_layers: int, ffn: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(dim, memory_dim, ffn) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        embedding: Float[Tensor, "p c h w"],
        keys: Float[Tensor, "b m d"],
        values: Float[Tensor, "b m d"],
        num_pointer_tokens: int,
        key_scale: Float[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "b c h w"]:
        """Condition an embedding.

        Args:
            embedding: of one picture (p = 1) or of as many as there are memories.
            keys: memory tokens with their position codes.
            values: the same tokens without.
            num_pointer_tokens: how many tokens at the end come from pointers and have no place in the picture.
            key_scale: a factor for each memory token's keys, or None for 1.
        """
        grid = (embedding.shape[-2], embedding.shape[-1])
        code = sine_grid(embedding.shape[1], *grid, embedding.device).to(embedding.dtype)
        x = (embedding + 0.1 * code).flatten(2).mT
        for layer in self.layers:
            x = layer(x, keys, values, grid, num_pointer_tokens, key_scale)
        conditioned: Tensor = self.norm(x).mT.unflatten(2, grid)
        return conditioned
