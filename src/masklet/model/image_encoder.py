"""Image encoder: trunk and feature pyramid neck (paper section 4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.config import EfficientNetConfig, HieraConfig, RepVitConfig, TrunkConfig
from masklet.model.layers import Pointwise
from masklet.model.trunks.efficientnet import EfficientNetLite0
from masklet.model.trunks.hiera import Hiera
from masklet.model.trunks.repvit import RepVit


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


def build_trunk(config: TrunkConfig) -> nn.Module:
    """Build the trunk of a configuration."""
    match config:
        case HieraConfig():
            return Hiera(config)
        case RepVitConfig():
            return RepVit(config)
        case EfficientNetConfig():
            return EfficientNetLite0()


class ImageEncoder(nn.Module):
    """Encode pixels (b, 3, s, s) to features at strides 4, 8 and 16, the first two as inputs of the mask decoder."""

    def __init__(self, trunk: TrunkConfig, dim: int) -> None:
        super().__init__()
        self.trunk = build_trunk(trunk)
        self.neck = Neck(trunk.channels, dim)

    def forward(
        self, pixels: Float[Tensor, "b 3 s s"], skips: tuple[Pointwise, Pointwise]
    ) -> tuple[Float[Tensor, "b c4 h4 w4"], Float[Tensor, "b c8 h8 w8"], Float[Tensor, "b c h w"]]:
        stride4, stride8, stride16 = self.neck(self.trunk(pixels), skips)
        return stride4, stride8, stride16
