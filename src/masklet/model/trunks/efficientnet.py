"""EfficientNet-Lite0 (Tan and Le 2019, Lite variant): inverted residuals without squeeze-excitation, ReLU6."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.layers import ACTIVATIONS, Activation, fused_conv2d, pointwise


class Stage(NamedTuple):
    """One stage: kernel size, stride, expansion factor, output channels, number of blocks."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    repeats: int


STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
OUTPUT_STAGES = (1, 2, 4, 6)
"""Stages whose features are outputs, at strides 4, 8, 16 and 32."""


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: ceil(n / stride) outputs, the smaller part of the padding first."""

    def __init__(self, channels: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels, channels_out, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        return self.convolve(x, self.weight, None)

    def convolve(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation = "none"
    ) -> Float[Tensor, "b d h2 w2"]:
        """Convolve with the given weights and bias instead of the layer's own."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        if kernel == 1:
            return pointwise(x, weight, bias, activation)
        total_y, total_x = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if total_y == total_x and total_y % 2 == 0:
            return fused_conv2d(x, self, weight, bias, (total_y // 2, total_y // 2), activation)
        # For asymmetric padding, pad both sides by one stride more and drop the extra outputs: that costs less than a
        # padded copy of the image.
        before = (total_y // 2 + stride, total_x // 2 + stride)
        rows, columns = (-(-n // stride) + 1 for n in x.shape[-2:])
        return fused_conv2d(x, self, weight, bias, before, activation)[..., 1:rows, 1:columns]


def _normed(
    conv: SameConv2d, norm: nn.BatchNorm2d, x: Float[Tensor, "b c h w"], activation: Activation = "none"
) -> Float[Tensor, "b d h2 w2"]:
    """Apply convolution, batch norm and activation; in eval mode, with the norm folded into the weights.

    Folding at each call costs a pass over the weights, about 1 % of the work of the convolution.
    """
    if norm.training:
        out: Tensor = norm(conv(x))
        return ACTIVATIONS[activation](out)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    return conv.convolve(x, conv.weight * scale[:, None, None, None], shift, activation)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class SeparableBlock(nn.Module):
    """Depthwise separable convolution (the first stage)."""

    def __init__(self, channels: int, channels_out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = SameConv2d(channels, channels, kernel, stride=stride, groups=channels)
        self.bn1 = _norm(channels)
        self.conv_pw = SameConv2d(channels, channels_out, 1)
        self.bn2 = _norm(channels_out)
        self.residual = stride == 1 and channels == channels_out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        out = _normed(self.conv_pw, self.bn2, _normed(self.conv_dw, self.bn1, x, "relu6"))
        return x + out if self.residual else out


class InvertedResidual(nn.Module):
    """Inverted residual: 1 x 1 expansion, depthwise convolution, 1 x 1 projection; a residual if shapes match."""

    def __init__(self, channels: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.conv_pw = SameConv2d(channels, inner, 1)
        self.bn1 = _norm(inner)
        self.conv_dw = SameConv2d(inner, inner, kernel, stride=stride, groups=inner)
        self.bn2 = _norm(inner)
        self.conv_pwl = SameConv2d(inner, channels_out, 1)
        self.bn3 = _norm(channels_out)
        self.residual = stride == 1 and channels == channels_out

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        out = _normed(self.conv_pw, self.bn1, x, "relu6")
        out = _normed(self.conv_dw, self.bn2, out, "relu6")
        out = _normed(self.conv_pwl, self.bn3, out)
        return x + out if self.residual else out


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 trunk: pixels to features at strides 4, 8, 16 and 32 (24, 40, 112 and 320 channels)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, 32, 3, stride=2)
        self.bn1 = _norm(32)
        stages, channels = [], 32
        for stage in STAGES:
            blocks: list[nn.Module] = []
            for place in range(stage.repeats):
                stride = stage.stride if place == 0 else 1
                blocks.append(
                    SeparableBlock(channels, stage.channels, stage.kernel, stride)
                    if stage.expansion == 1
                    else InvertedResidual(channels, stage.channels, stage.kernel, stride, stage.expansion)
                )
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.ModuleList(stages)

    def forward(self, pixels: Float[Tensor, "b 3 s s"]) -> list[Float[Tensor, "b c h w"]]:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        x = _normed(self.conv_stem, self.bn1, pixels, "relu6")
        features = []
        for index, stage in enumerate(self.blocks):
            x = stage(x)
            if index in OUTPUT_STAGES:
                features.append(x)
        return features
