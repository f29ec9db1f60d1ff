"""Hiera: strides, widths, windows and position codes."""

from __future__ import annotations

import pytest
import torch

from masklet.model.config import HIERA, HieraConfig
from masklet.model.sam2 import Sam2
from masklet.model.trunks import hiera
from masklet.model.trunks.hiera import Hiera, HieraBlock

SMALL = HieraConfig(embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), global_blocks=(3,))


@pytest.mark.parametrize("size", [32, 64, 96])
@torch.inference_mode()
def test_strides_and_channels(size: int) -> None:
    features = Hiera(SMALL)(torch.rand(2, 3, size, size))
    assert [tuple(f.shape) for f in features] == [
        (2, channels, size // stride, size // stride)
        for channels, stride in zip(SMALL.channels, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("name", HIERA)
def test_released_layout(name: str) -> None:
    """Blocks, heads and windows as published: a pooling block still cuts the windows of the stage before it."""
    config = HIERA[name]
    with torch.device("meta"):
        trunk = Hiera(config)
    ends = trunk.stage_ends
    assert len(trunk.blocks) == sum(config.stages) == ends[-1] + 1
    for index, block in enumerate(trunk.blocks):
        assert isinstance(block, HieraBlock)
        stage = sum(index > end for end in ends)
        pools = index - 1 in ends[:-1]
        window = config.window_sizes[stage - 1 if pools else stage]
        assert block.pool is pools
        assert block.window == (0 if index in config.global_blocks else window)
        assert block.attn.num_heads == config.num_heads * 2**stage


@torch.inference_mode()
def test_windows_do_not_mix() -> None:
    """In a window block a change stays in its window, padding included; in a global block it goes everywhere."""
    torch.manual_seed(0)
    x = torch.randn(1, 10, 10, 8)
    changed = x.clone()
    changed[0, 5, 9] = torch.randn(8)  # not a constant more, which the normalization would remove
    for window, height, width in ((4, slice(4, 8), slice(8, 10)), (0, slice(0, 10), slice(0, 10))):
        block = HieraBlock(8, 8, 1, window=window, pool=False).eval()
        moved = (block(changed) - block(x)).abs().amax(dim=(0, 3)) > 1e-7
        expected = torch.zeros(10, 10, dtype=torch.bool)
        expected[height, width] = True
        assert torch.equal(moved, expected)


@torch.inference_mode()
def test_position_code() -> None:
    trunk = Hiera(SMALL)
    trunk.pos_embed_window.copy_(torch.arange(64.0).view(1, 1, 8, 8))
    trunk.pos_embed.fill_(100)
    code = trunk.position(16, 24)
    assert code.shape == (1, 16, 24, 8)
    torch.testing.assert_close(code[0, :8, :8, 0], 100 + torch.arange(64.0).view(8, 8))
    torch.testing.assert_close(code[:, 8:, 16:], code[:, :8, :8])


@torch.inference_mode()
def test_pictures_of_a_batch_do_not_mix() -> None:
    torch.manual_seed(0)
    trunk, pictures = Hiera(SMALL).eval(), torch.rand(2, 3, 64, 64)
    for together, alone in zip(trunk(pictures), trunk(pictures[1:]), strict=True):
        torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 800, 10**6])
@torch.inference_mode()
def test_strips_change_nothing(monkeypatch: pytest.MonkeyPatch, tokens: int) -> None:
    """A row of windows at a time, three (which leave some over), or the whole map."""
    torch.manual_seed(0)
    trunk, pictures = (
        Hiera(HieraConfig(embed_dim=8, num_heads=1, stages=(1, 2, 2, 1), global_blocks=(4,))),
        torch.rand(2, 3, 128, 128),
    )
    whole = trunk(pictures)
    monkeypatch.setattr(hiera, "STRIP_TOKENS", tokens)
    for found, expected in zip(trunk(pictures), whole, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [64, 96, 160])
def test_windows_that_stay_cut_change_nothing(tiny: Sam2, size: int) -> None:
    """Some sizes leave no rest in their windows, others are padded in each block; gradients take the plain way."""
    trunk = tiny.image_encoder.trunk
    x = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fast = trunk(x)
    for found, expected in zip(fast, trunk(x), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_position_code_follows_the_weights() -> None:
    trunk = Hiera(SMALL)
    before = trunk.position(16, 16)
    assert trunk.position(16, 16) is before
    trunk.pos_embed.add_(1)  # in place, as an optimizer does
    assert torch.allclose(trunk.position(16, 16), before + 1, atol=1e-5)
    assert trunk.position(32, 32).shape == (1, 32, 32, 8)
