"""Shared layers against plain arithmetic."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from masklet.model.layers import ACTIVATIONS, Activation, LayerNorm2d, Mlp, fused_conv2d, linear, pointwise


def test_layer_norm_over_channels() -> None:
    norm = LayerNorm2d(5)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2, 3, 4, 5]))
        norm.bias.fill_(0.5)
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    centered = x - x.mean(1, keepdim=True)
    unit = centered / (centered.square().mean(1, keepdim=True) + 1e-6).sqrt()
    expected = unit * torch.arange(1.0, 6)[:, None, None] + 0.5
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "near"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-2), (torch.float64, 1e-9)])
def test_dense_and_convolutions_fast_and_plain(activation: Activation, dtype: torch.dtype, near: float) -> None:
    torch.manual_seed(0)
    layer, conv = nn.Linear(6, 4).to(dtype), nn.Conv2d(6, 6, 3, stride=2, groups=6).to(dtype)
    x, other = torch.randn(2, 3, 5, 6).to(dtype), torch.randn(2, 3, 5, 4).to(dtype)
    maps = x.permute(0, 3, 1, 2)

    def results() -> list[torch.Tensor]:
        return [
            linear(x, layer, activation),
            linear(x, layer, residual=other),
            pointwise(maps, layer.weight[:, :, None, None], layer.bias, activation),
            fused_conv2d(maps, conv, conv.weight, conv.bias, (1, 2), activation),
        ]

    with torch.inference_mode():
        fast = results()
    for found, expected in zip(fast, results(), strict=True):
        torch.testing.assert_close(found, expected, atol=near, rtol=near)
    assert linear(x[:0], layer, activation).shape == (0, 3, 5, 4)


def test_mlp_has_no_activation_at_the_end() -> None:
    mlp = Mlp((2, 2, 1))
    mlp.load_state_dict(
        {
            "layers.0.weight": torch.tensor([[1.0, 0], [0, -1]]),
            "layers.0.bias": torch.zeros(2),
            "layers.1.weight": torch.tensor([[-1.0, -1]]),
            "layers.1.bias": torch.zeros(1),
        }
    )
    assert mlp(torch.tensor([[3.0, 4], [3, -4], [-1, 1]])).tolist() == [[-3], [-7], [0]]
    shapes = {name: tuple(tensor.shape) for name, tensor in Mlp((3, 5, 2)).state_dict().items()}
    assert shapes == {
        "layers.0.weight": (5, 3),
        "layers.0.bias": (5,),
        "layers.1.weight": (2, 5),
        "layers.1.bias": (2,),
    }
