"""Batches: rows and concatenation keep every field in step."""

from __future__ import annotations

import pytest
import torch

from masklet.model.tensors import ChosenMask, MaskPrediction, PromptTensors


def chosen(*values: float) -> ChosenMask:
    row = torch.tensor(values, dtype=torch.float32)
    return ChosenMask(row[:, None, None, None].expand(-1, 1, 2, 2), row, row[:, None].expand(-1, 3), row)


def test_rows_and_cat() -> None:
    both = ChosenMask.cat([chosen(1, 2), chosen(3)])
    assert len(both) == 3
    for part, values in ((both.rows([2, 0]), [3, 1]), (both.rows(slice(1, None)), [2, 3])):
        assert part.iou.tolist() == part.object_score.tolist() == values
        assert part.logits[:, 0, 0, 0].tolist() == part.pointer[:, 2].tolist() == values
    single = chosen(1)
    assert ChosenMask.cat([single]) is single


def test_prediction_rows() -> None:
    four = torch.arange(8.0).view(2, 4)
    prediction = MaskPrediction(four[..., None, None], four, four[..., None], torch.tensor([1.0, 2.0]))
    assert prediction.rows([1]).iou.tolist() == [[4, 5, 6, 7]]
    assert len(prediction) == 2


@pytest.mark.parametrize(
    ("labels", "mask", "ambiguous"),
    [
        ([], False, True),
        ([], True, False),
        ([1], False, True),
        ([1], True, True),
        ([1, 0], False, False),
        ([2, 3], False, False),
    ],
)
def test_kinds_of_prompts(labels: list[int], mask: bool, ambiguous: bool) -> None:
    count = len(labels)
    prompts = PromptTensors(
        torch.zeros(1, count, 2),
        torch.tensor([labels], dtype=torch.long),
        torch.zeros(1, 1, 4, 4) if mask else None,
    )
    assert prompts.kind == (count, mask)
    assert prompts.ambiguous is ambiguous
    twice = PromptTensors.cat([prompts, prompts])
    assert twice.points.shape == (2, count, 2)
    assert (twice.mask_logits is not None) is mask
    assert twice.kind == prompts.kind
