"""EfficientNet-Lite0: TensorFlow's padding, strides and channels."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from masklet.model.trunks.efficientnet import EfficientNetLite0, SameConv2d


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        (8, 3, 1, 1, 1),
        (8, 3, 2, 0, 1),
        (7, 3, 2, 1, 1),
        (8, 5, 2, 1, 2),
        (7, 5, 2, 2, 2),
        (9, 5, 1, 2, 2),
        (4, 1, 1, 0, 0),
    ],
)
@torch.inference_mode()
def test_same_padding(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    """The output has ceil(size / stride) cells, and an odd amount of padding is larger at the bottom right."""
    torch.manual_seed(0)
    conv = SameConv2d(2, 3, kernel, stride=stride)
    x = torch.randn(1, 2, size, size)
    found = conv(x)
    assert found.shape[-2:] == (-(-size // stride),) * 2
    torch.testing.assert_close(found, F.conv2d(F.pad(x, (before, after, before, after)), conv.weight, None, stride))


@pytest.mark.parametrize("size", [32, 96])
@torch.inference_mode()
def test_strides_and_channels(size: int) -> None:
    features = EfficientNetLite0().eval()(torch.rand(1, 3, size, size))
    assert [tuple(f.shape[1:]) for f in features] == [
        (24, size // 4, size // 4),
        (40, size // 8, size // 8),
        (112, size // 16, size // 16),
        (320, size // 32, size // 32),
    ]
