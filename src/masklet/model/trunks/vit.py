"""Plain vision transformer (Dosovitskiy et al. 2021) with attention in windows in most blocks (Li et al. 2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import STRIDE, VitConfig
from masklet.model.trunks.hiera import HieraBlock
from masklet.model.weight_cache import WeightCache


class PatchEmbed(nn.Module):
    """Patch embedding: a convolution whose kernel and stride are the stride of the features."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, STRIDE, stride=STRIDE)

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b h w c"]:
        out: Tensor = self.proj(pixels)
        return out.permute(0, 2, 3, 1)


class Vit(nn.Module):
    """ViT trunk: pixels to features at stride 16. Its blocks are those of Hiera without pooling."""

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        dim, side = config.embed_dim, config.position_size
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + side**2, dim))
        self.blocks = nn.ModuleList(
            HieraBlock(
                dim,
                dim,
                config.num_heads,
                window=0 if index in config.global_blocks else config.window_size,
                pool=False,
            )
            for index in range(config.depth)
        )
        self._position_size = side
        self._cache = WeightCache[Tensor]()

    def position(self, height: int, width: int) -> Float[Tensor, "1 h w c"]:
        """Resize the learned positional embedding; its first entry, of a class token that does not exist, is unused.

        Outside of training, the result is cached until the size or the weights change.
        """
        return self._cache.get([self.pos_embed], lambda: self._position(height, width).contiguous(), height, width)

    def _position(self, height: int, width: int) -> Float[Tensor, "1 h w c"]:
        grid = self.pos_embed[:, 1:].mT.unflatten(2, (self._position_size, self._position_size))
        return F.interpolate(grid, (height, width), mode="bicubic").permute(0, 2, 3, 1)

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        x = self.patch_embed(pixels)
        x = x + self.position(*x.shape[1:3])
        for block in self.blocks:
            x = block(x)
        return [x.permute(0, 3, 1, 2)]
