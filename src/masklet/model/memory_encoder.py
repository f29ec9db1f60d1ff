"""Memory encoder: fuses a mask with image features to a spatial memory (paper section 4)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.layers import LayerNorm2d, Pointwise, linear


class MaskDownsampler(nn.Module):
    """Downsample a mask to features at stride 16 with four strided convolutions and a 1 x 1 convolution."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (1, 4, 16, 64):
            layers += [
                nn.Conv2d(channels, channels * 4, 3, stride=2, padding=1),
                LayerNorm2d(channels * 4),
                nn.GELU(),
            ]
        self.encoder = nn.Sequential(*layers, Pointwise(256, dim))

    def forward(self, mask: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b c h w"]:
        out: Tensor = self.encoder(mask)
        return out


class FuserBlock(nn.Module):
    """ConvNeXt block: depthwise 7 x 7 convolution and two pointwise layers, scaled, with a residual connection."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-6))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        out = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        out = self.gamma * linear(linear(out, self.pwconv1, "gelu"), self.pwconv2)
        mixed: Tensor = x + out.permute(0, 3, 1, 2)
        return mixed


class Fuser(nn.Module):
    """Two ConvNeXt blocks."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FuserBlock(dim) for _ in range(2))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Encode unconditioned image features and a scaled mask to a memory of ``memory_dim`` channels."""

    def __init__(self, dim: int, memory_dim: int) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(dim)
        self.pix_feat_proj = Pointwise(dim, dim)
        self.fuser = Fuser(dim)
        self.out_proj = Pointwise(dim, memory_dim)

    def forward(self, embedding: Float[Tensor, "p c h w"], mask: Float[Tensor, "b 1 s s"]) -> Float[Tensor, "b d h w"]:
        out: Tensor = self.out_proj(self.fuser(self.pix_feat_proj(embedding) + self.mask_downsampler(mask)))
        return out
