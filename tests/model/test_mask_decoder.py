"""Mask decoder: four candidates with scores for each object; objects share the picture and do not mix."""

from __future__ import annotations

import pytest
import torch

from masklet.model.mask_decoder import (
    NO_OBJECT_LOGIT,
    MaskDecoder,
    gather_masks,
    select_indices,
    stability_score,
    suppress_absent,
)
from masklet.model.tensors import ChosenMask, MaskPrediction


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


SHARP = torch.tensor([[5.0, 5.0], [-5.0, -5.0]])
BLURRED = torch.tensor([[5.0, 0.01], [-0.01, -5.0]])


def prediction(first: torch.Tensor, iou: list[float], score: float = 1.0) -> MaskPrediction:
    logits = torch.stack([first, first + 1, first + 2, first + 3])[None]
    pointers = torch.arange(4.0)[None, :, None].expand(1, 4, 3)
    return MaskPrediction(logits, torch.tensor([iou]), pointers, torch.tensor([score]))


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (SHARP, 1.0),
        (torch.full((2, 2), -5.0), 1.0),  # empty at both thresholds
        (BLURRED, 1 / 3),
        (torch.tensor([[0.01, -5.0], [-5.0, -5.0]]), 0.0),
        (torch.tensor([[5.0, 0.05], [-5.0, -5.0]]), 0.5),  # at the threshold itself is outside
    ],
)
def test_stability(logits: torch.Tensor, expected: float) -> None:
    assert stability_score(logits).item() == pytest.approx(expected)
    assert stability_score(logits.expand(2, 3, 2, 2)).shape == (2, 3)


def test_stability_at_another_offset() -> None:
    logits = torch.tensor([[5.0, 0.9], [-0.9, -5.0]])
    assert stability_score(logits).item() == 1
    assert stability_score(logits, 1.0).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("first", "iou", "ambiguous", "mask", "pointer"),
    [
        (SHARP, [0.9, 0.1, 0.3, 0.2], True, 2, 2),  # candidate 0 is not for ambiguous prompts, however good
        (SHARP, [0.1, 0.9, 0.8, 0.9], True, 1, 1),  # the first of equals
        (SHARP, [0.1, 0.9, 0.8, 0.7], False, 0, 0),
        (BLURRED, [0.9, 0.1, 0.2, 0.8], False, 3, 0),  # unstable: another mask, but still the first pointer
        (BLURRED, [0.9, 0.1, 0.2, 0.8], True, 3, 3),
    ],
)
def test_candidates(first: torch.Tensor, iou: list[float], ambiguous: bool, mask: int, pointer: int) -> None:
    given = prediction(first, iou)
    indices = select_indices(given, torch.tensor([ambiguous]), 0.98)
    assert [index.tolist() for index in indices] == [[mask], [pointer]]
    chosen = gather_masks(given, *indices)
    torch.testing.assert_close(chosen.logits, (first + mask)[None, None])
    assert chosen.iou.tolist() == pytest.approx([iou[mask]])
    assert chosen.pointer.tolist() == [[pointer] * 3]
    assert chosen.object_score.tolist() == [1]


def test_rows_are_chosen_one_by_one() -> None:
    both = MaskPrediction.cat([prediction(SHARP, [0.1, 0.2, 0.3, 0.4]), prediction(BLURRED, [0.4, 0.9, 0.2, 0.1])])
    mask, pointer = select_indices(both, torch.tensor([False, False]), 0.98)
    assert (mask.tolist(), pointer.tolist()) == ([0, 1], [0, 0])
    mask, pointer = select_indices(both, torch.tensor([True, False]), 0.98)
    assert (mask.tolist(), pointer.tolist()) == ([3, 1], [3, 0])


def test_a_model_of_soft_masks_keeps_candidate_0() -> None:
    blurred = prediction(BLURRED, [0.4, 0.9, 0.2, 0.1])
    mask, pointer = select_indices(blurred, torch.tensor([False]), 0.0)
    assert (mask.tolist(), pointer.tolist()) == ([0], [0])


@pytest.mark.parametrize(("score", "visible"), [(0.01, True), (0.0, False), (-3.0, False)])
def test_hide_absent(score: float, visible: bool) -> None:
    chosen = ChosenMask(SHARP[None, None], torch.tensor([0.7]), torch.ones(1, 3), torch.tensor([score]))
    shown = suppress_absent(chosen)
    assert torch.equal(shown.logits, chosen.logits if visible else torch.full((1, 1, 2, 2), NO_OBJECT_LOGIT))
    assert shown.iou.tolist() == chosen.iou.tolist()
    assert shown.object_score.tolist() == pytest.approx([score])
