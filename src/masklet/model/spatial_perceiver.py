"""2D spatial perceiver of EdgeTAM (Zhou et al. 2025, arXiv 2501.07256): a spatial memory condensed to a few tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import PerceiverConfig
from masklet.model.layers import linear
from masklet.model.position import sine_encoding_2d


class LatentCrossAttention(nn.Module):
    """Cross-attention of latents to the memory, with one head and no biases."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm_x = nn.LayerNorm(dim)
        self.norm_latents = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(
        self,
        global_latents: Float[Tensor, "b n d"],
        window_latents: Float[Tensor, "b w d"],
        memory: Float[Tensor, "b d h w2"],
    ) -> tuple[Float[Tensor, "b n d"], Float[Tensor, "b w d"]]:
        """Attend globally, with positions added to keys and values, and each window latent to its own window."""
        height, width = memory.shape[-2:]
        keys_values = linear(self.norm_x(memory.flatten(2).mT), self.to_kv)
        position = sine_encoding_2d(memory.shape[1], height, width, memory.device).to(memory.dtype).flatten(2).mT
        k, v = ((part + position)[:, None] for part in keys_values.chunk(2, dim=-1))
        q = linear(self.norm_latents(global_latents), self.to_q)[:, None]
        attended = F.scaled_dot_product_attention(q, k, v)[:, 0]
        side = round(window_latents.shape[1] ** 0.5)
        windows = rearrange(
            keys_values, "b (i y j x) d -> b (i j) (y x) d", i=side, j=side, y=height // side, x=width // side
        )
        window_k, window_v = windows.chunk(2, dim=-1)
        window_q = linear(self.norm_latents(window_latents), self.to_q) * window_k.shape[-1] ** -0.5
        weights = (window_q[:, :, None] * window_k).sum(dim=-1, keepdim=True).softmax(dim=2)
        attended_windows = (weights * window_v).sum(dim=2)
        return linear(attended, self.to_out), linear(attended_windows, self.to_out)


class LatentSelfAttention(nn.Module):
    """Self-attention of the global latents; each window latent is a sequence of its own, so it attends to itself."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, latents: Float[Tensor, "b n d"], num_global: int) -> Float[Tensor, "b n d"]:
        normed = self.norm(latents)
        k, v = linear(normed, self.to_kv).chunk(2, dim=-1)
        q, k = (t[:, None, :num_global] for t in (linear(normed[:, :num_global], self.to_q), k))
        attended = F.scaled_dot_product_attention(q, k, v[:, None, :num_global])[:, 0]
        return linear(torch.cat([attended, v[:, num_global:]], dim=1), self.to_out)


class PerceiverLayer(nn.Module):
    """Cross-attention to the memory, feed-forward network, self-attention, and another feed-forward network."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attn = LatentCrossAttention(dim)
        self.ff = _feed_forward(dim)
        self.self_attn = LatentSelfAttention(dim)
        self.self_ff = _feed_forward(dim)

    def forward(
        self, latents: Float[Tensor, "b n d"], memory: Float[Tensor, "b d h w"], num_global: int
    ) -> Float[Tensor, "b n d"]:
        latents = latents + torch.cat(self.attn(latents[:, :num_global], latents[:, num_global:], memory), dim=1)
        latents = latents + self.ff(latents)
        latents = latents + self.self_attn(latents, num_global)
        mixed: Tensor = latents + self.self_ff(latents)
        return mixed


def _feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, 4 * dim, bias=False), nn.GELU(), nn.Linear(4 * dim, dim, bias=False)
    )


class SpatialPerceiver(nn.Module):
    """Condense a spatial memory to global tokens, then tokens of a grid row by row, as in `ModelConfig.memory_layout`.

    Both sets of latents go through the same layers without seeing each other.
    """

    def __init__(self, dim: int, config: PerceiverConfig) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(config.num_global, dim))
        self.latents_2d = nn.Parameter(torch.zeros(config.grid_size**2, dim))
        self.layers = nn.ModuleList(PerceiverLayer(dim) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, memory: Float[Tensor, "b d h w"]) -> Float[Tensor, "b n d"]:
        """Condense memories; the side of the grid of latents must divide the height and width."""
        latents = torch.cat([self.latents, self.latents_2d]).expand(
            memory.shape[0], -1, -1
        )  # `len` would be a constant in a graph
        for layer in self.layers:
            latents = layer(latents, memory, len(self.latents))
        condensed: Tensor = self.norm(latents)
        return condensed
