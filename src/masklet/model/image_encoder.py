"""Image encoder: trunk and feature pyramid neck (paper section 4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import EfficientNetConfig, HieraConfig, RepVitConfig, TrunkConfig, VitConfig
from masklet.model.layers import LayerNorm2d, Pointwise, pointwise
from masklet.model.trunks.efficientnet import EfficientNetLite0
from masklet.model.trunks.hiera import Hiera
from masklet.model.trunks.repvit import RepVit
from masklet.model.trunks.vit import Vit


class Neck(nn.Module):
    """Feature pyramid: 1 x 1 convolutions of the trunk's features, with the stride-32 map added to the stride-16 map.

    The maps at strides 4 and 8 are used only by the mask decoder, whose convolutions of them are fused in here.
    """

    def __init__(self, channels: tuple[int, int, int, int], dim: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Sequential(OrderedDict(conv=Pointwise(c, dim))) for c in reversed(channels))

    def forward(
        self, features: list[Tensor], skips: tuple[Pointwise, Pointwise]
    ) -> tuple[Float[Tensor, "b c4 h4 w4"], Float[Tensor, "b c8 h8 w8"], Float[Tensor, "b c h w"]]:
        """Combine features at strides 4, 8, 16 and 32 to those at 4, 8 and 16; apply ``skips`` to the first two."""
        convs = [cast("Pointwise", stage[0]) for stage in reversed(cast("list[nn.Sequential]", list(self.convs)))]
        stride4, stride8 = (
            skip.fused_after(conv, x) for skip, conv, x in zip(skips, convs[:2], features[:2], strict=True)
        )
        stride16, stride32 = (conv(x) for conv, x in zip(convs[2:], features[2:], strict=True))
        return stride4, stride8, stride16 + F.interpolate(stride32, scale_factor=2, mode="nearest")


class SingleScaleNeck(nn.Module):
    """Neck of a trunk with features at stride 16 alone: a 1 x 1 and a 3 x 3 convolution, each with layer norm."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        layers = {
            "conv_1x1": nn.Conv2d(channels, dim, 1, bias=False),
            "norm_0": LayerNorm2d(dim),
            "conv_3x3": nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            "norm_1": LayerNorm2d(dim),
        }
        self.convs = nn.ModuleList([nn.Sequential(OrderedDict(layers))])

    def forward(self, features: list[Tensor]) -> Float[Tensor, "b c h w"]:
        conv_1x1, *rest = cast("nn.Sequential", self.convs[0])
        (x,) = features
        x = pointwise(x, cast("Tensor", conv_1x1.weight), None)
        for layer in rest:
            x = layer(x)
        return x


def build_trunk(config: TrunkConfig) -> nn.Module:
    """Build the trunk of a configuration."""
    match config:
        case HieraConfig():
            return Hiera(config)
        case RepVitConfig():
            return RepVit(config)
        case VitConfig():
            return Vit(config)
        case EfficientNetConfig():
            return EfficientNetLite0()


class ImageEncoder(nn.Module):
    """Encode pixels (b, 3, s, s) to features at strides 4, 8 and 16, the first two as inputs of the mask decoder.

    Without skip features, those at strides 4 and 8 are None.
    """

    def __init__(self, trunk: TrunkConfig, dim: int) -> None:
        super().__init__()
        self.trunk = build_trunk(trunk)
        self.neck = SingleScaleNeck(*trunk.channels, dim) if len(trunk.channels) == 1 else Neck(trunk.channels, dim)

    def forward(
        self, pixels: Float[Tensor, "b 3 s s"], skips: tuple[Pointwise, Pointwise] | None
    ) -> tuple[Float[Tensor, "b c4 h4 w4"] | None, Float[Tensor, "b c8 h8 w8"] | None, Float[Tensor, "b c h w"]]:
        if skips is None:
            return None, None, self.neck(self.trunk(pixels))
        stride4, stride8, stride16 = self.neck(self.trunk(pixels), skips)
        return stride4, stride8, stride16
