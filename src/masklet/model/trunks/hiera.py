"""Hiera (Ryali et al. 2023): a hierarchical vision transformer with windowed attention in four stages."""

from __future__ import annotations

from itertools import accumulate
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import HieraConfig
from masklet.model.layers import Mlp, eager_cpu, linear
from masklet.model.weight_cache import WeightCache

STRIP_TOKENS = 16384
"""Approximate number of 2-byte tokens (half as many of 4 bytes) that pass through windowed blocks at a time on a CPU.

Their results fit into memory that the heap reuses, while the system would map larger ones anew each time.
"""


def _pool(x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h2 w2 c"]:
    """Max-pool 2 x 2 tokens."""
    if eager_cpu(x):  # without the indices of the maxima, which only gradients need
        top, bottom = (torch.maximum(rows[:, :, ::2], rows[:, :, 1::2]) for rows in (x[:, ::2], x[:, 1::2]))
        return torch.maximum(top, bottom)
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def _split_windows(x: Float[Tensor, "b h w c"], side: int) -> Float[Tensor, "bn side side c"]:
    """Partition a map into windows, after zero padding at the bottom and right to whole windows."""
    height, width = x.shape[1:3]
    if height % side or width % side:
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    return rearrange(x, "b (i y) (j x) c -> (b i j) y x c", y=side, x=side)


def _join_windows(x: Float[Tensor, "bn side side c"], height: int, width: int) -> Float[Tensor, "b h w c"]:
    """Reverse `_split_windows` to a map of the given size."""
    side = x.shape[1]
    rows, columns = -(-height // side), -(-width // side)
    whole = rearrange(x, "(b i j) y x c -> b (i y) (j x) c", i=rows, j=columns)
    return whole[:, :height, :width]


def _strip(x: Float[Tensor, "b h w c"], side: int) -> int:
    """Return the height of a strip of whole windows with about `STRIP_TOKENS` tokens (fewer of larger dtypes)."""
    return side * max(2 * STRIP_TOKENS // (x.element_size() * x.shape[2] * side), 1)


class WindowAttention(nn.Module):
    """Self-attention over all tokens of a map or window; queries are pooled 2 x 2 at the start of a stage."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, *, pool: bool) -> None:
        super().__init__()
        self.num_heads, self.pool = num_heads, pool
        self.qkv = nn.Linear(dim, dim_out * 3)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(
        self, x: Float[Tensor, "b h w c"], residual: Float[Tensor, "b h2 w2 d"] | None = None
    ) -> Float[Tensor, "b h2 w2 d"]:
        """Attend and add ``residual``."""
        q, k, v = linear(x, self.qkv).chunk(3, dim=-1)
        if self.pool:
            q = _pool(q)
        height, width = q.shape[1:3]
        q, k, v = (rearrange(t, "b y x (heads d) -> b heads (y x) d", heads=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return linear(
            rearrange(out, "b heads (y x) d -> b y x (heads d)", y=height, x=width), self.proj, residual=residual
        )


class HieraBlock(nn.Module):
    """Transformer block; ``pool`` halves the resolution and changes the number of channels."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, *, window: int, pool: bool) -> None:
        super().__init__()
        self.window, self.pool = window, pool
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = WindowAttention(dim, dim_out, num_heads, pool=pool)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = Mlp((dim_out, 4 * dim_out, dim_out), "gelu")
        if dim != dim_out:
            self.proj = nn.Linear(dim, dim_out)

    def forward(self, x: Float[Tensor, "b h w c"], *, in_windows: bool = False) -> Float[Tensor, "b h2 w2 d"]:
        """Apply attention and MLP; ``in_windows`` if each row of ``x`` is a window of this block, not a whole map."""
        normed = self.norm1(x)
        shortcut = _pool(linear(normed, self.proj)) if self.pool else x
        if self.window and not in_windows:
            out = self.attn(_split_windows(normed, self.window))
            x = shortcut + _join_windows(out, *shortcut.shape[1:3])
        else:
            x = self.attn(normed, shortcut)
        first, last = cast("list[nn.Linear]", list(self.mlp.layers))
        return linear(linear(self.norm2(x), first, "gelu"), last, residual=x)


class PatchEmbed(nn.Module):
    """Overlapping patch embedding: a 7 x 7 convolution with stride 4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 7, stride=4, padding=3)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b h4 w4 c"]:
        # A copy: oneDNN may not recognize the strides of a single channels-last image.
        out: Tensor = self.proj(pixels.clone(memory_format=torch.channels_last))
        return out.permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """Hiera trunk: pixels to features at strides 4, 8, 16 and 32."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        dim, heads = config.embed_dim, config.num_heads
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, config.position_size, config.position_size))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, dim, config.window_sizes[0], config.window_sizes[0]))
        self._cache = WeightCache[Tensor]()
        self.stage_ends = tuple(end - 1 for end in accumulate(config.stages))
        blocks: list[HieraBlock] = []
        for stage, count in enumerate(config.stages):
            for place in range(count):
                pool = stage > 0 and place == 0
                # A pooling block gets the map of the previous stage, so it uses the windows of that stage.
                window = config.window_sizes[stage - 1 if pool else stage]
                width = dim * 2 if pool else dim
                heads = heads * 2 if pool else heads
                window = 0 if len(blocks) in config.global_blocks else window
                blocks.append(HieraBlock(dim, width, heads, window=window, pool=pool))
                dim = width
        self.blocks = nn.ModuleList(blocks)

    def position(self, height: int, width: int) -> Float[Tensor, "1 h w c"]:
        """Compute the learned positional embedding: a global one, resized, plus one repeated in every window.

        Outside of training, it is cached until the size or the weights change.
        """
        learned = (self.pos_embed, self.pos_embed_window)
        return self._cache.get(learned, lambda: self._position(height, width).contiguous(), height, width)

    def _position(self, height: int, width: int) -> Float[Tensor, "1 h w c"]:
        resized = F.interpolate(self.pos_embed, (height, width), mode="bicubic")
        side = self.pos_embed_window.shape[-1]
        repeated = self.pos_embed_window.tile(1, 1, height // side, width // side)
        return (resized + repeated).permute(0, 2, 3, 1)

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        x = self.patch_embed(pixels)
        x = x + self.position(*x.shape[1:3])
        features, start = [], 0
        while start < len(self.blocks):
            end, side = self._blocks_with_same_windows(start, *x.shape[1:3])
            strips = x.split(_strip(x, side), dim=1) if side and eager_cpu(x) else (x,)
            parts = [self._apply_blocks(strip, start, end, side) for strip in strips]
            *ends, x = (torch.cat(maps, dim=1) if len(maps) > 1 else maps[0] for maps in zip(*parts, strict=True))
            features += ends
            start = end
        return [feature.permute(0, 3, 1, 2) for feature in features]

    def _blocks_with_same_windows(self, start: int, height: int, width: int) -> tuple[int, int]:
        """Find the blocks from ``start`` on that attend within the same windows; return their end and the window side.

        The side is 0 for a single block with global attention or with windows that do not divide the map.
        """
        windows = [cast("HieraBlock", block).window for block in self.blocks]
        side = windows[start]
        if not side or height % side or width % side:
            return start + 1, 0
        current, end = side, start
        while end < len(windows) and windows[end] == current:
            current = current // 2 if self.blocks[end].pool else current
            end += 1
        return end, side

    def _apply_blocks(
        self, x: Float[Tensor, "b h w c"], start: int, end: int, side: int
    ) -> list[Float[Tensor, "b h2 w2 d"]]:
        """Apply blocks to a strip; return the maps at stage ends, and the map after the last block."""
        height, width = x.shape[1:3]
        x = _split_windows(x, side) if side else x
        maps = []
        for index in range(start, end):
            block = cast("HieraBlock", self.blocks[index])
            x = block(x, in_windows=side > 0)
            if block.pool:
                height, width = height // 2, width // 2
            if index in self.stage_ends or index == end - 1:
                maps.append(_join_windows(x, height, width) if side else x)
        return maps if end - 1 not in self.stage_ends else [*maps, maps[-1]]
