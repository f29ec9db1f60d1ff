"""The spatial perceiver: global tokens see the whole memory, tokens of the grid only their window."""

from __future__ import annotations

import torch

from masklet.model.config import PerceiverConfig
from masklet.model.spatial_perceiver import SpatialPerceiver

CONFIG = PerceiverConfig(num_global=3, grid_size=2, num_layers=2)


def perceiver() -> SpatialPerceiver:
    torch.manual_seed(0)
    model = SpatialPerceiver(8, CONFIG).eval()
    for latents in (model.latents, model.latents_2d):
        torch.nn.init.normal_(latents)
    return model


@torch.no_grad()
def test_a_token_of_the_grid_sees_its_window_alone() -> None:
    model, memory = perceiver(), torch.randn(2, 8, 4, 8)
    before = model(memory)
    assert before.shape == (2, 3 + 4, 8)
    changed = memory.clone()
    changed[0, :, 2:, :4] *= -1  # the window of row 1, column 0
    moved = (model(changed) - before).abs().amax(dim=-1) > 1e-6
    assert moved.tolist() == [[True, True, True, False, False, True, False], [False] * 7]


@torch.no_grad()
def test_positions_reach_global_tokens_only() -> None:
    """Reversing the cells of each window changes what global tokens see, and nothing for those of the grid."""
    model, memory = perceiver(), torch.randn(1, 8, 4, 4)
    turned = memory.unflatten(2, (2, 2)).unflatten(4, (2, 2)).flip(3, 5).flatten(4, 5).flatten(2, 3)
    found, before = model(turned), model(memory)
    torch.testing.assert_close(found[:, 3:], before[:, 3:])
    assert float((found[:, :3] - before[:, :3]).abs().max()) > 1e-3


def test_gradients_reach_every_weight() -> None:
    model = perceiver()
    model(torch.randn(1, 8, 4, 4)).square().sum().backward()
    weights = {name: p.grad for name, p in model.named_parameters()}
    assert all(grad is not None and bool(grad.any()) for grad in weights.values())


def test_released_size() -> None:
    assert sum(p.numel() for p in SpatialPerceiver(64, PerceiverConfig()).parameters()) == 230_784
