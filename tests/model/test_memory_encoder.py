"""Memory encoder: masks at full size to maps at stride 16, one picture for many masks."""

from __future__ import annotations

import torch

from masklet.model.memory_encoder import FuserBlock, MaskDownsampler, MemoryEncoder


@torch.inference_mode()
def test_one_picture_for_many_masks() -> None:
    torch.manual_seed(0)
    encoder = MemoryEncoder(16, 4).eval()
    embedding, masks = torch.randn(1, 16, 3, 3), torch.randn(5, 1, 48, 48)
    together = encoder(embedding, masks)
    assert together.shape == (5, 4, 3, 3)
    for row in range(5):
        torch.testing.assert_close(together[[row]], encoder(embedding, masks[[row]]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


@torch.inference_mode()
def test_a_pixel_reaches_its_place() -> None:
    torch.manual_seed(0)
    downsampler = MaskDownsampler(8).eval()
    mask = torch.zeros(1, 1, 64, 64)
    marked = mask.clone()
    marked[..., 40, 8] = 10
    changed = (downsampler(marked) - downsampler(mask)).abs().amax(dim=(0, 1)) > 1e-6
    assert changed[2, 0]
    assert not changed[:, 2:].any()


@torch.inference_mode()
def test_fuser_block_starts_near_nothing() -> None:
    x = torch.randn(1, 8, 5, 5)
    torch.testing.assert_close(FuserBlock(8)(x), x, atol=1e-4, rtol=0)
