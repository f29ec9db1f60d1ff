"""Mask decoder: four candidates with scores for each object; objects share the picture and do not mix."""

from __future__ import annotations

import torch

from masklet.model.mask_decoder import MaskDecoder


@torch.inference_mode()
def test_objects_do_not_mix() -> None:
    torch.manual_seed(0)
    decoder = MaskDecoder(16).eval()
    image, code, prompts = torch.randn(3, 16, 2, 2), torch.randn(1, 16, 2, 2), torch.randn(3, 5, 16)
    skips = torch.randn(1, 4, 4, 4), torch.randn(1, 2, 8, 8)
    together = decoder(image, code, prompts, skips)
    assert [tuple(part.shape) for part in together] == [(3, 4, 8, 8), (3, 4), (3, 4, 16), (3,)]
    assert ((together[1] > 0) & (together[1] < 1)).all()
    for row in range(3):
        for found, alone in zip(together, decoder(image[[row]], code, prompts[[row]], skips), strict=True):
            torch.testing.assert_close(found[[row]], alone, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_order_of_prompts_does_not_matter() -> None:
    torch.manual_seed(0)
    decoder = MaskDecoder(16).eval()
    image, code, prompts = torch.randn(1, 16, 2, 2), torch.randn(1, 16, 2, 2), torch.randn(1, 5, 16)
    skips = torch.randn(1, 4, 4, 4), torch.randn(1, 2, 8, 8)
    for found, expected in zip(
        decoder(image, code, prompts.flip(1), skips), decoder(image, code, prompts, skips), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
