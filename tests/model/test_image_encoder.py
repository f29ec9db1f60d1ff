"""The neck: fine features go on to the decoder, the coarsest is added to the next one by nearest neighbors."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from masklet.model.image_encoder import Neck
from masklet.model.layers import Pointwise


@torch.inference_mode()
def test_levels() -> None:
    torch.manual_seed(0)
    neck = Neck((2, 3, 4, 5), 6)
    features = [torch.randn(1, channels, side, side) for channels, side in ((2, 16), (3, 8), (4, 4), (5, 2))]
    weights = {name: tensor for name, tensor in neck.state_dict().items() if name.endswith("weight")}
    assert [tuple(tensor.shape) for tensor in weights.values()] == [(6, c, 1, 1) for c in (5, 4, 3, 2)]
    projected = [
        F.conv2d(x, neck.get_parameter(f"convs.{3 - i}.conv.weight"), neck.get_parameter(f"convs.{3 - i}.conv.bias"))
        for i, x in enumerate(features)
    ]
    skips = Pointwise(6, 2), Pointwise(6, 3)
    stride4, stride8, stride16 = neck(features, skips)
    torch.testing.assert_close(stride4, skips[0](projected[0]))
    torch.testing.assert_close(stride8, skips[1](projected[1]))
    doubled = projected[3].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(stride16, projected[2] + doubled)
