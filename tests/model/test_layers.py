"""Shared layers against plain arithmetic."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from masklet.model.layers import LayerNorm2d, Mlp


def test_layer_norm_over_channels() -> None:
    norm = LayerNorm2d(5)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, 2, 3, 4, 5]))
        norm.bias.fill_(0.5)
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    expected = F.layer_norm(x.permute(0, 2, 3, 1), (5,), norm.weight, norm.bias, eps=1e-6).permute(0, 3, 1, 2)
    torch.testing.assert_close(norm(x), expected)


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
