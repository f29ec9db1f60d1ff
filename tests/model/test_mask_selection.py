"""Which candidate is kept: ambiguity, stability, and the pointer that goes with it."""

from __future__ import annotations

import pytest
import torch

from masklet.model.mask_selection import NO_OBJECT_LOGIT, gather_masks, select_indices, stability_score, suppress_absent
from masklet.model.tensors import ChosenMask, MaskPrediction

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
