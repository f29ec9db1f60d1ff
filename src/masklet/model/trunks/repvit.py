"""RepViT (Wang et al. 2024): a convolutional network whose parallel branches are fused into one for inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import RepVitConfig
from masklet.model.layers import Activation, fused_conv2d, pointwise
from masklet.model.weight_cache import WeightCache

Fused = tuple[Tensor, Tensor]
"""Weight and bias of a convolution."""


class ConvNorm(nn.Module):
    """Convolution without bias and batch normalization, computed as one convolution unless batches are normalized."""

    def __init__(self, channels: int, channels_out: int, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        padding = kernel // 2
        self.c = nn.Conv2d(channels, channels_out, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)
        self._cache = WeightCache[Fused]()

    @property
    def weights(self) -> Sequence[Tensor]:
        """Tensors that determine the output in eval mode."""
        assert self.bn.running_mean is not None
        assert self.bn.running_var is not None
        return self.c.weight, self.bn.weight, self.bn.bias, self.bn.running_mean, self.bn.running_var

    def fused(self) -> Fused:
        """Fold the statistics of the norm into the convolution, in float32."""
        weight, scale, shift, mean, variance = (tensor.float() for tensor in self.weights)
        scale = scale * torch.rsqrt(variance + self.bn.eps)
        return weight * scale[:, None, None, None], shift - mean * scale

    def forward(self, x: Float[Tensor, "b c h w"], activation: Activation = "none") -> Float[Tensor, "b d h2 w2"]:
        if self.bn.training:
            return _activate(self.bn(self.c(x)), activation)
        weight, bias = _fused_in_dtype(self._cache, self.weights, self.fused, x.dtype)
        if self.c.kernel_size == (1, 1):
            return pointwise(x, weight, bias, activation)
        return fused_conv2d(x, self.c, weight, bias, cast("tuple[int, int]", self.c.padding), activation)


def _activate(x: Tensor, activation: Activation) -> Tensor:
    return F.gelu(x) if activation == "gelu" else x


def _fused_in_dtype(
    cache: WeightCache[Fused], weights: Sequence[Tensor], fuse: Callable[[], Fused], dtype: torch.dtype
) -> Fused:
    """Fuse weights in float32 and cast the result; the cache makes this free until a weight changes."""

    def compute() -> Fused:
        weight, bias = fuse()
        return weight.to(dtype), bias.to(dtype)

    return cache.get(weights, compute, dtype)


class TokenMixer(nn.Module):
    """Depthwise convolutions of 3 x 3 and 1 x 1 and the identity, added; one 3 x 3 convolution for inference."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvNorm(channels, channels, 3, groups=channels)
        self.conv1 = ConvNorm(channels, channels, groups=channels)
        self._cache = WeightCache[Fused]()

    def fused(self) -> Fused:
        """Add the three branches: a 1 x 1 kernel is the center of a 3 x 3 kernel, and the identity is a 1 there."""
        (weight, bias), (center, center_bias) = self.conv.fused(), self.conv1.fused()
        return weight + F.pad(center + 1, (1, 1, 1, 1)), bias + center_bias

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        if self.conv.bn.training or self.conv1.bn.training:
            mixed: Tensor = self.conv(x) + self.conv1(x) + x
            return mixed
        weights = (*self.conv.weights, *self.conv1.weights)
        weight, bias = _fused_in_dtype(self._cache, weights, self.fused, x.dtype)
        return fused_conv2d(x, self.conv.c, weight, bias, (1, 1))


class SqueezeExcitation(nn.Module):
    """Scale each channel by a factor that depends on the means of all channels (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = max(8, (channels // 4 + 4) // 8 * 8)  # a quarter, to the nearest multiple of 8
        self.fc1 = nn.Conv2d(channels, reduced, 1)
        self.fc2 = nn.Conv2d(reduced, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        scaled: Tensor = x * self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()
        return scaled


class ChannelMixer(nn.Module):
    """Two 1 x 1 convolutions with twice the channels between them, and a residual connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, 2 * channels)
        self.conv2 = ConvNorm(2 * channels, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mixed: Tensor = x + self.conv2(self.conv1(x, "gelu"))
        return mixed


class RepVitBlock(nn.Module):
    """Token mixer, squeeze-excitation in every other block, and channel mixer."""

    def __init__(self, channels: int, *, squeeze: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(channels)
        self.se = SqueezeExcitation(channels) if squeeze else nn.Identity()
        self.channel_mixer = ChannelMixer(channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mixed: Tensor = self.channel_mixer(self.se(self.token_mixer(x)))
        return mixed


class Downsample(nn.Module):
    """Halve the resolution and change the channels: a block, a depthwise and a 1 x 1 convolution, a channel mixer."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.pre_block = RepVitBlock(channels, squeeze=False)
        self.spatial_downsample = ConvNorm(channels, channels, 3, stride=2, groups=channels)
        self.channel_downsample = ConvNorm(channels, channels_out)
        self.ffn = ChannelMixer(channels_out)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        out: Tensor = self.ffn(self.channel_downsample(self.spatial_downsample(self.pre_block(x))))
        return out


class Stem(nn.Module):
    """Two 3 x 3 convolutions with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, channels // 2, 3, stride=2)
        self.conv2 = ConvNorm(channels // 2, channels, 3, stride=2)

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
        out: Tensor = self.conv2(self.conv1(pixels, "gelu"))
        return out


class Stage(nn.Module):
    """Blocks of one resolution, after downsampling except in the first stage."""

    def __init__(self, channels: int, channels_out: int, depth: int) -> None:
        super().__init__()
        self.downsample = nn.Identity() if channels == channels_out else Downsample(channels, channels_out)
        self.blocks = nn.Sequential(*(RepVitBlock(channels_out, squeeze=index % 2 == 0) for index in range(depth)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        out: Tensor = self.blocks(self.downsample(x))
        return out


class RepVit(nn.Module):
    """RepViT trunk: pixels to features at strides 4, 8, 16 and 32."""

    def __init__(self, config: RepVitConfig) -> None:
        super().__init__()
        widths = (config.channels[0], *config.channels)
        stages = {
            f"stages_{index}": Stage(widths[index], widths[index + 1], depth)
            for index, depth in enumerate(config.depths)
        }
        self.body = nn.ModuleDict({"stem": Stem(widths[0]), **stages})

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        x = pixels.contiguous(memory_format=torch.channels_last)
        stem, *stages = self.body.values()
        x = stem(x)
        features = []
        for stage in stages:
            x = stage(x)
            features.append(x)
        return features
