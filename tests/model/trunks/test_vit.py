"""Plain ViT: windows with padding, global blocks, and the resized position table."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from masklet.model.config import VIT, VitConfig
from masklet.model.trunks.hiera import HieraBlock
from masklet.model.trunks.vit import Vit

SMALL = VitConfig(embed_dim=8, num_heads=2, depth=3, global_blocks=(1,), window_size=3, position_size=4)


@pytest.mark.parametrize("size", [32, 96])
@torch.inference_mode()
def test_one_map_at_stride_16(size: int) -> None:
    (features,) = Vit(SMALL)(torch.rand(2, 3, size, size))
    assert features.shape == (2, 8, size // 16, size // 16)


@pytest.mark.parametrize(("name", "parameters"), [("ti", 5_523_840), ("s", 21_664_512)])
def test_released_layout(name: str, parameters: int) -> None:
    with torch.device("meta"):
        trunk = Vit(VIT[name])
    assert sum(p.numel() for p in trunk.parameters()) == parameters
    windows = [block.window for block in trunk.blocks if isinstance(block, HieraBlock)]
    assert windows == [14, 14, 0] * 4


@torch.inference_mode()
def test_windows_do_not_mix_and_global_blocks_do() -> None:
    torch.manual_seed(0)
    trunk = Vit(SMALL)
    x = torch.randn(1, 6, 6, 8)
    changed = x.clone()
    changed[:, :3, :3] *= -1
    for block, reach in zip(trunk.blocks, (9, 36, 9), strict=True):
        moved = (block(changed) - block(x)).abs().amax(dim=-1) > 1e-7
        assert int(moved.sum()) == reach


@torch.inference_mode()
def test_padding_is_attended_to() -> None:
    """A map of 4 x 4 in windows of 3: what is added at the border has the bias as key and value, and is not masked."""
    torch.manual_seed(0)
    block = Vit(SMALL).blocks[0]
    assert isinstance(block, HieraBlock)
    x = torch.randn(1, 4, 4, 8)
    corner = F.pad(block.norm1(x)[:, 3:, 3:], (0, 0, 0, 2, 0, 2))
    expected = x[:, 3:, 3:] + block.attn(corner)[:, :1, :1]
    expected = expected + block.mlp(block.norm2(expected))
    torch.testing.assert_close(block(x)[:, 3:, 3:], expected)


@torch.no_grad()
def test_the_entry_of_a_class_token_is_unused() -> None:
    trunk = Vit(SMALL)
    torch.nn.init.normal_(trunk.pos_embed)
    before = trunk.position(4, 4)
    torch.testing.assert_close(before.flatten(1, 2), trunk.pos_embed[:, 1:])
    trunk.pos_embed[:, 0] += 1
    assert torch.equal(trunk.position(4, 4), before)
    assert trunk.position(2, 6).shape == (1, 2, 6, 8)
